"""Every further format to pages: tables, slides, books, mails, archives, and their headings."""

from pathlib import Path

import docx
import pytest
from pypdf import PdfReader, PdfWriter

from pipelines.convert import Limits, Reading, UnreadableDocument, read_document
from tests.pipelines.files import write_docx, write_pdf
from tests.pipelines.office import eml, epub, msg, pptx, tarred, xlsx, zipped


def read(tmp_path: Path, name: str, data: bytes, limits: Limits | None = None) -> Reading:
    path = tmp_path / "upload"
    path.write_bytes(data)
    return read_document(path, name, limits)


def paths(reading: Reading) -> list[tuple[int, str, tuple[str, ...]]]:
    """Return (page, what stands at the section's start, its path) of each section."""
    return [
        (page.number, page.text[section.start :].partition("\n")[0], section.path)
        for page in reading.pages
        for section in page.sections
    ]


def test_slides_are_pages_in_the_order_of_the_show(tmp_path: Path) -> None:
    data = pptx(
        [("Pumps", ["Oil them.", "Monthly."]), ("Valves", ["Close them."])], notes="Slowly!"
    )

    reading = read(tmp_path, "show.pptx", data)

    assert [page.text for page in reading.pages] == [
        "Pumps\n\nOil them.\nMonthly.\n\nSlowly!",
        "Valves\n\nClose them.",
    ]
    assert paths(reading) == [(1, "Pumps", ("Pumps",)), (2, "Valves", ("Valves",))]


def test_sheets_are_read_by_name_and_each_row_names_its_columns(tmp_path: Path) -> None:
    data = xlsx(
        {"Stock": [["Part", "Left"], ["Valve", 12.0], ["Pump", 0.5]], "Notes": [["Only words"]]}
    )

    reading = read(tmp_path, "a.xlsx", data)

    assert [page.text for page in reading.pages] == [
        "Part | Left\n\nPart: Valve; Left: 12\n\nPart: Pump; Left: 0.5",
        "Only words",
    ]
    assert [path for _, _, path in paths(reading)] == [("Stock",), ("Notes",)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_whatever_its_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = [("City", "Lake"), ("Klow", "Wladir"), ("Szohod", "none, or dry")]
    data = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)

    reading = read(tmp_path, "a.csv", data.encode())

    assert reading.pages[0].text.splitlines()[2::2] == [
        "City: Klow; Lake: Wladir",
        "City: Szohod; Lake: none, or dry",
    ]


def test_a_long_table_is_cut_into_pages_of_rows(tmp_path: Path) -> None:
    data = "id,name\n" + "\n".join(f"{n},item {n}" for n in range(450))

    assert len(read(tmp_path, "a.csv", data.encode()).pages) == 3


def test_json_records_stand_apart_with_the_path_of_each_value(tmp_path: Path) -> None:
    data = b'[{"name": "Klow", "of": {"land": "Syldavia", "rivers": ["Wladir", "Moltus"]}}, 7]'

    reading = read(tmp_path, "a.json", data)

    assert reading.pages[0].text == (
        "name: Klow\nof.land: Syldavia\nof.rivers: Wladir, Moltus\n\n7"
    )


def test_a_broken_line_of_json_lines_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="line 2 of the JSON lines is no JSON"):
        read(tmp_path, "a.jsonl", b'{"a": 1}\n{"b":\n')


def test_a_book_is_read_in_its_order_with_headings_that_reach_over_files(tmp_path: Path) -> None:
    data = epub(
        ["<h1>Part one</h1><p>It begins.</p>", "<p>It goes on.</p><h2>Late</h2><p>It ends.</p>"]
    )

    reading = read(tmp_path, "a.epub", data)

    assert [page.text for page in reading.pages] == [
        "Part one\n\nIt begins.",
        "It goes on.\n\nLate\n\nIt ends.",
    ]
    assert paths(reading) == [
        (1, "Part one", ("Part one",)),
        (2, "It goes on.", ("Part one",)),
        (2, "Late", ("Part one", "Late")),
    ]


def test_a_mail_is_read_with_what_is_attached(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "inner.pdf", [["First."], ["Second."]]).read_bytes()
    data = eml("Offer", "Dear Bob,\nhere it is.\n", {"offer.pdf": pdf, "logo.gif": b"GIF89a"})

    reading = read(tmp_path, "a.eml", data)

    assert [(page.number, page.part) for page in reading.pages] == [
        (1, None),
        (2, "offer.pdf"),
        (3, "offer.pdf"),
    ]
    assert "Subject: Offer" in reading.pages[0].text
    assert "here it is." in reading.pages[0].text
    assert reading.note is None


def test_a_mail_out_of_outlook_is_read(tmp_path: Path) -> None:
    reading = read(tmp_path, "a.msg", msg("Offer", "Dear Bob, here it is."))

    assert reading.pages[0].text == (
        "From: <ann@example.org>\nSubject: Offer\n\nDear Bob, here it is."
    )
    assert reading.pages[0].sections[0].path == ("Offer",)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_every_file_of_an_archive_has_its_verdict(tmp_path: Path, kind: str) -> None:
    pdf = write_pdf(tmp_path / "inner.pdf", [["First."], ["Second."]]).read_bytes()
    inside = {
        "docs/a.pdf": pdf,
        "docs/cut.pdf": pdf[:200],
        "setup.exe": b"MZ",
        "docs/b.txt": b"Hello.",
        "__MACOSX/._b.txt": b"x",
    }
    data = zipped(dict(inside)) if kind == "zip" else tarred(inside)

    reading = read(tmp_path, f"all.{kind}", data)

    assert [(page.number, page.part, page.text.strip()) for page in reading.pages] == [
        (1, "docs/a.pdf", "First."),
        (2, "docs/a.pdf", "Second."),
        (3, "docs/b.txt", "Hello."),
    ]
    assert {file.name: file.pages for file in reading.files if not file.reason} == {
        "docs/a.pdf": 2,
        "docs/b.txt": 1,
    }
    assert (reading.note or "").startswith("2 of 4 files refused: docs/cut.pdf: the PDF is cut")


def test_an_archive_in_an_archive_is_read_with_the_whole_path(tmp_path: Path) -> None:
    data = zipped({"inner.zip": zipped({"a.txt": "Hello."})})

    reading = read(tmp_path, "outer.zip", data)

    assert [page.part for page in reading.pages] == ["inner.zip/a.txt"]
    assert [file.name for file in reading.files] == ["inner.zip/a.txt"]
    assert reading.pages[0].sections[0].path == ("inner.zip", "a.txt")


def test_word_headings_are_a_path(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Manual", 1)
    document.add_heading("Pumps", 2)
    document.add_paragraph("Oil them.")
    document.add_heading("Valves", 2)
    document.save(str(tmp_path / "a.docx"))

    reading = read_document(tmp_path / "a.docx", "a.docx")

    assert [path for _, _, path in paths(reading)] == [
        ("Manual",),
        ("Manual", "Pumps"),
        ("Manual", "Valves"),
    ]
    assert paths(reading)[1][1] == "Pumps"


def test_bookmarks_of_a_pdf_are_found_in_its_text(tmp_path: Path) -> None:
    plain = write_pdf(
        tmp_path / "a.pdf", [["Preface."], ["Noise.", "1 Pumps", "Oil them."], ["Go."]]
    )
    writer = PdfWriter(clone_from=PdfReader(plain))
    chapter = writer.add_outline_item(title="Pumps", page_number=1)
    writer.add_outline_item(title="Not on the page", page_number=2, parent=chapter)
    writer.write(plain)

    reading = read_document(plain, "a.pdf")

    assert paths(reading) == [
        (2, "Noise.", ()),
        (2, "1 Pumps", ("Pumps",)),
        (3, "Go.", ("Pumps", "Not on the page")),
    ]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", "# One\ntext\n## Two\nmore\n", [("One",), ("One", "Two")]),
        ("a.md", "Title\n=====\n\nPart\n----\ntext", [("Title",), ("Title", "Part")]),
        ("a.md", "```\n# no heading\n```\n", []),
        ("a.txt", "Title\n=====\n\nPart\n----\ntext", [("Title",), ("Title", "Part")]),
        ("a.txt", "some text\n---------------------------------\nmore", []),
        ("a.html", "<h1>Top</h1><p>Text.</p><h2>Sub</h2><p>More.</p>", [("Top",), ("Top", "Sub")]),
    ],
)
def test_headings_of_texts_are_found(
    tmp_path: Path, name: str, text: str, found: list[tuple[str, ...]]
) -> None:
    reading = read(tmp_path, name, text.encode())

    assert [path for _, _, path in paths(reading)] == found


def test_a_scanned_page_among_others_is_told(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [["Text."], [], ["Text."]])
    writer = PdfWriter(clone_from=PdfReader(path))
    picture = PdfReader(write_picture(tmp_path / "picture.pdf")).pages[0]
    writer.insert_page(picture, 1)
    writer.write(path)

    reading = read_document(path, "a.pdf")

    assert [page.number for page in reading.pages if page.scanned] == [2]
    assert reading.note == "page 2 is a picture without text: text recognition (OCR) is needed"


def test_a_pdf_of_pictures_alone_is_refused_as_needing_ocr(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read_document(write_picture(tmp_path / "a.pdf"), "a.pdf")

    assert caught.value.kind == "needs-ocr"


def test_the_same_reader_serves_one_file_after_a_bad_one(tmp_path: Path) -> None:
    good = write_docx(tmp_path / "a.docx")
    with pytest.raises(UnreadableDocument):
        read(tmp_path, "b.docx", b"PK\x03\x04 broken")

    assert len(read_document(good, "a.docx").pages) == 2


def write_picture(path: Path) -> Path:
    """Write a PDF with one page that shows a picture and nothing else."""
    content = b"q 200 0 0 200 50 500 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x00 EI Q"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    data = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = len(data)
    data += b"xref\n0 5\n0000000000 65535 f \n"
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table
    path.write_bytes(data)
    return path
