"""Files to pages, and every reason to refuse one."""

import io
import threading
import time
import zipfile
from pathlib import Path

import pytest

from pipelines.convert import Limits, Readers, UnreadableDocument, read_document
from tests.pipelines.files import write_docx, write_pdf, write_tex_line


def refusal(path: Path, name: str, limits: Limits | None = None) -> UnreadableDocument:
    with pytest.raises(UnreadableDocument) as caught:
        read_document(path, name, limits)
    return caught.value


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_pdf_gives_its_pages_with_their_numbers(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [["First page."], [], ["Third page,", "two lines."]])

    pages = read_document(path, "a.pdf").pages

    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.text.rstrip() for page in pages] == ["First page.", "", "Third page,\ntwo lines."]


def test_words_that_tex_set_tightly_are_not_glued(tmp_path: Path) -> None:
    path = write_tex_line(tmp_path / "tex.pdf")

    assert read_document(path, "tex.pdf").pages[0].text == "The key is long"


def test_a_docx_gives_paragraphs_tables_and_page_breaks(tmp_path: Path) -> None:
    path = write_docx(tmp_path / "a.docx")

    pages = read_document(path, "a.docx").pages

    assert [page.number for page in pages] == [1, 2]
    assert "every month." in pages[0].text
    assert "Part | Number\nValve | A-113" in pages[0].text
    assert pages[1].text == "The second page speaks of filters."


def test_html_gives_its_text_without_scripts(tmp_path: Path) -> None:
    page = "<html><head><script>var hidden = 1</script></head><body><p>Pumps need oil.</p></body>"
    path = written(tmp_path / "a.html", page.encode())

    pages = read_document(path, "a.html").pages

    assert "Pumps need oil." in pages[0].text
    assert "hidden" not in pages[0].text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Die Prüfung der Anlage erfolgt jährlich, spätestens im März, durch den Betreiber.\n" * 3
    path = written(tmp_path / "a.txt", text.encode(encoding))

    assert read_document(path, "a.txt").pages[0].text == text.strip("\n")


def test_text_has_plain_line_ends_and_pages_at_form_feeds(tmp_path: Path) -> None:
    path = written(tmp_path / "a.md", b"# One\r\ntext\r\n\f# Two\r\n")

    pages = read_document(path, "a.md").pages

    assert [page.text for page in pages] == ["# One\ntext", "# Two"]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    found = refusal(written(tmp_path / "a.pdf", b""), "a.pdf")

    assert (found.kind, found.reason) == ("empty", "the file is empty (0 bytes)")


def test_a_cut_pdf_is_refused_with_its_reason(tmp_path: Path) -> None:
    whole = write_pdf(tmp_path / "a.pdf", [["Text."] * 40] * 20).read_bytes()
    path = written(tmp_path / "cut.pdf", whole[: len(whole) // 2])

    found = refusal(path, "cut.pdf")

    assert (found.kind, found.reason) == ("damaged", "the PDF is cut: its end is missing")


def test_a_pdf_with_its_middle_destroyed_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pdf", b"%PDF-1.7\n" + b"\xff" * 5000 + b"\n%%EOF\n")

    assert refusal(path, "a.pdf").kind == "damaged"


def test_what_is_no_pdf_is_refused(tmp_path: Path) -> None:
    found = refusal(written(tmp_path / "a.pdf", b"GIF89a" + b"x" * 99), "a.pdf")

    assert found.reason == "the file is no PDF, whatever its name says"


def test_an_encrypted_pdf_is_refused(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [["Secret."]], password="open sesame")

    assert refusal(path, "a.pdf").kind == "encrypted"


def test_a_scanned_pdf_is_refused_with_a_hint_at_ocr(tmp_path: Path) -> None:
    found = refusal(write_pdf(tmp_path / "a.pdf", [[], []]), "a.pdf")

    assert found.kind == "no-text"
    assert "OCR" in found.reason


def test_too_many_pages_are_refused_with_both_numbers(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [["x"]] * 4)

    found = refusal(path, "a.pdf", Limits(pages=3))

    assert (found.kind, found.reason) == (
        "too-many-pages",
        "the PDF has 4 pages; at most 3 are read",
    )


def test_an_unknown_type_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    found = refusal(written(tmp_path / "upload", b"MZ"), "setup.exe")

    assert found.kind == "unknown-type"
    assert found.reason.startswith("'.exe' files are not read; known are .csv, .docx, .eml")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_docx_is_refused(tmp_path: Path, share: float) -> None:
    whole = write_docx(tmp_path / "a.docx").read_bytes()
    path = written(tmp_path / "cut.docx", whole[: int(len(whole) * share)])

    assert refusal(path, "cut.docx").kind == "damaged"


def test_a_zip_that_is_no_docx_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("hello.txt", "hello")

    assert refusal(written(tmp_path / "a.docx", data.getvalue()), "a.docx").kind == "damaged"


def test_binary_under_a_text_name_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", bytes(range(256)) * 8)

    assert refusal(path, "a.txt").reason == "the file is binary, not text"


@pytest.mark.parametrize("name", ["a.txt", "a.html"])
def test_white_space_is_no_text(tmp_path: Path, name: str) -> None:
    assert refusal(written(tmp_path / name, b" \n\n \n"), name).kind == "no-text"


def test_a_reader_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [["x"]] * 10)
    begun = time.monotonic()

    found = refusal(path, "a.pdf", Limits(seconds=0.001))

    assert found.kind == "too-slow"
    assert time.monotonic() - begun < 5


def test_who_reads_alone_waits_for_others_and_lets_none_begin() -> None:
    readers, seen, inside = Readers(at_once=2), [], threading.Event()

    def read(places: int) -> None:
        with readers.turn(places):
            seen.append(places)
            inside.set()

    with readers.turn():
        alone = threading.Thread(target=read, args=(2,))
        alone.start()
        other = threading.Thread(target=read, args=(1,))
        assert not inside.wait(0.1)
        other.start()
        assert not inside.wait(0.1)
    alone.join()
    other.join()

    assert seen == [2, 1]
