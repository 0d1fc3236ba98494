"""Pages that are pictures: drawn in the process that reads, recognized by whom there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.convert import Limits, Readers, UnreadableDocument
from pipelines.ocr import Ocr, OcrService, OcrUnavailable, find_tesseract, recognized
from pipelines.reading.page import Reading
from tests.fakes.ocr import FakeOcr
from tests.pipelines.files import write_scan

LIMITS = Limits(ocr=True)
TESSERACT = find_tesseract("eng")


@pytest.fixture
def readers() -> Iterator[Readers]:
    made = Readers()
    yield made
    made.close()


def read(readers: Readers, path: Path, ocr: Ocr) -> Reading:
    return recognized(
        readers.read(path, path.name, LIMITS),
        ocr,
        lambda page: readers.draw(path, path.name, page, LIMITS),
        lambda done, total: None,
    )


def test_a_service_reads_every_scanned_page(readers: Readers, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.pdf", [["One."], ["Two."]])
    with FakeOcr("The first page.", "The second\npage.") as fake:
        reading = read(readers, path, OcrService(fake.url, "a-key"))

    assert [(page.number, page.text, page.scanned) for page in reading.pages] == [
        (1, "The first page.", False),
        (2, "The second\npage.", False),
    ]
    assert reading.note is None
    # an A4 page at 300 dots per inch
    assert fake.sizes == [(2480, 3509), (2480, 3509)]
    assert fake.keys == ["Bearer a-key"] * 2


def test_without_ocr_a_scan_is_refused_as_before(readers: Readers, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.pdf", [["One."]])

    with pytest.raises(UnreadableDocument) as refused:
        readers.read(path, "scan.pdf", Limits())

    assert refused.value.kind == "needs-ocr"


def test_pictures_without_text_are_refused(readers: Readers, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.pdf", [["One."]])
    with FakeOcr("") as fake, pytest.raises(UnreadableDocument) as refused:
        read(readers, path, OcrService(fake.url, None))

    assert refused.value.kind == "no-text"


@pytest.mark.parametrize(("status", "said"), [(503, "answered with status 503"), (0, "reached")])
def test_a_service_that_is_away_is_no_verdict_on_the_document(
    readers: Readers, tmp_path: Path, status: int, said: str
) -> None:
    path = write_scan(tmp_path / "scan.pdf", [["One."]])
    with FakeOcr("x") as fake:
        fake.status = status
        url = fake.url if status else "http://127.0.0.1:1/v1"
        with pytest.raises(OcrUnavailable, match=said) as failed:
            read(readers, path, OcrService(url, None))

    assert "SECRET-BODY" not in str(failed.value)


@pytest.mark.skipif(TESSERACT is None, reason="tesseract-ocr is not installed here")
def test_tesseract_reads_a_scan(readers: Readers, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.pdf", [["The pump needs oil every month."], ["Page two."]])
    assert TESSERACT is not None

    reading = read(readers, path, TESSERACT)

    assert [page.text.strip() for page in reading.pages] == [
        "The pump needs oil every month.",
        "Page two.",
    ]


@pytest.mark.skipif(TESSERACT is None, reason="tesseract-ocr is not installed here")
def test_a_language_that_is_not_installed_is_found_out() -> None:
    tesseract = find_tesseract("eng+xyz")
    assert tesseract is not None

    assert tesseract.missing_languages() == ["xyz"]


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("cat > /dev/null; echo Read.", "Read.\n"),
        ("cat > /dev/null; exit 1", ""),
        ("exec sleep 9", ""),
    ],
)
def test_a_tesseract_that_fails_or_hangs_gives_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, said: str
) -> None:
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\n{ending}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("pipelines.ocr.SECONDS", 2.0)
    tesseract = find_tesseract("eng")
    assert tesseract is not None

    assert tesseract.text(b"a picture" * 100_000) == said
