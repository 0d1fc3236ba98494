"""Real files for the readers, made here: no test needs one from outside."""

from pathlib import Path

import docx
import pypdfium2
from docx.enum.text import WD_BREAK
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, NumberObject


def write_pdf(path: Path, pages: list[list[str]], *, password: str | None = None) -> Path:
    """Write a PDF with one text line per string; an empty page holds no text at all."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    reference = writer._add_object(font)
    for lines in pages:
        page = writer.add_blank_page(width=595, height=842)
        fonts = DictionaryObject({NameObject("/F1"): reference})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        shown = "".join(f"({line}) Tj 0 -14 Td " for line in lines)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 11 Tf 50 800 Td {shown}ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    with path.open("wb") as file:
        writer.write(file)
    return path


def write_tex_line(path: Path) -> Path:
    """Write a PDF as TeX does: gaps between words are offsets, tighter than a normal space."""
    writer = PdfWriter()
    write_pdf(path, [["x"]])
    writer.append(str(path))
    stream = DecodedStreamObject()
    stream.set_data(b"BT /F1 11 Tf 50 800 Td [(The)-166(k)20(ey)-166(is)-170(long)]TJ ET")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)
    fonts = writer.pages[0]["/Resources"]["/Font"]["/F1"]  # type: ignore[index]
    # A space of 500 makes pypdf wait for gaps of 237.
    from pypdf.generic import ArrayObject, NumberObject

    fonts[NameObject("/FirstChar")] = NumberObject(32)
    fonts[NameObject("/Widths")] = ArrayObject([NumberObject(500)] * 95)
    with path.open("wb") as file:
        writer.write(file)
    return path


def write_docx(path: Path) -> Path:
    """Write a DOCX with a paragraph, a table, and a second page."""
    document = docx.Document()
    document.add_paragraph("The pump needs oil every month.")
    table = document.add_table(rows=2, cols=2)
    for row, cells in enumerate((("Part", "Number"), ("Valve", "A-113"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("The second page speaks of filters.")
    document.save(str(path))
    return path


def write_scan(path: Path, pages: list[list[str]]) -> Path:
    """Write a PDF as a scanner does: each page is a picture of its lines, without any text."""
    drawn = pypdfium2.PdfDocument(write_pdf(path, pages).read_bytes())
    writer = PdfWriter()
    for index in range(len(drawn)):
        bitmap = drawn[index].render(scale=300 / 72, grayscale=True)
        picture = DecodedStreamObject()
        picture.set_data(bitmap.to_numpy().tobytes())
        names = {"Type": "XObject", "Subtype": "Image", "ColorSpace": "DeviceGray"}
        numbers = {"Width": bitmap.width, "Height": bitmap.height, "BitsPerComponent": 8}
        for key, name in names.items():
            picture[NameObject(f"/{key}")] = NameObject(f"/{name}")
        for key, number in numbers.items():
            picture[NameObject(f"/{key}")] = NumberObject(number)
        page = writer.add_blank_page(width=595, height=842)
        image = DictionaryObject({NameObject("/I"): writer._add_object(picture.flate_encode())})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): image})
        stream = DecodedStreamObject()
        stream.set_data(b"595 0 0 842 0 0 cm /I Do")
        page[NameObject("/Contents")] = writer._add_object(stream)
    with path.open("wb") as file:
        writer.write(file)
    return path
