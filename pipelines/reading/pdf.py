"""PDF to page texts, by PDFium."""

import ctypes
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from pipelines.reading.hidden import Hidden, pdf_hidden
from pipelines.reading.limits import Limits
from pipelines.reading.page import Heading, Page, UnreadableDocument, clean, outlined

# Writers may put a few bytes behind the end mark; a file without it was cut.
TAIL = 2048
MOST_BOOKMARKS = 20_000
MOST_OBJECTS = 1000
FIRST_BUFFER = 2**16
PER_INCH = 300  # what tesseract asks for
MOST_PIXELS = 5000.0  # of a side; a poster is drawn smaller

Buffer = ctypes.Array[ctypes.c_ushort]

# PDFium's marks for a hyphen at the end of a line, whose two halves it joins.
HYPHENS = "\x02\ufffe"


def read_pdf(path: Path, limits: Limits) -> list[Page]:
    """Return the text of every page, empty pages included so that numbers stay true."""
    _refuse_cut(path)
    try:
        # Bytes, since a file inside an archive has no name to be opened by.
        document = pdfium.PdfDocument(path.read_bytes())
    except pdfium.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            reason = "the PDF is protected by a password"
            raise UnreadableDocument(kind="encrypted", reason=reason) from error
        raise UnreadableDocument(kind="damaged", reason="the PDF is damaged") from error
    count = len(document)
    if count > limits.pages:
        reason = f"the PDF has {count} pages; at most {limits.pages} are read"
        raise UnreadableDocument(kind="too-many-pages", reason=reason)
    pages = list(_pages(document, count))
    if not any(page.text.strip() for page in pages):
        scanned = any(page.scanned for page in pages)
        if scanned and limits.ocr:
            return pages
        reason = "the PDF holds no text; scanned pages need text recognition (OCR) first"
        raise UnreadableDocument(kind="needs-ocr" if scanned else "no-text", reason=reason)
    return outlined(pages, _headings(document, pages))


def draw_page(path: Path, number: int) -> bytes:
    """Return a page as a PNG, in grey: what text recognition reads."""
    document = pdfium.PdfDocument(path.read_bytes())
    page = document[number - 1]
    scale = min(PER_INCH / 72, MOST_PIXELS / max(page.get_width(), page.get_height(), 1.0))
    bitmap = page.render(scale=scale, grayscale=True)
    rows = bitmap.to_numpy().reshape(bitmap.height, -1)[:, : bitmap.width]
    return grey_png(rows.tobytes(), bitmap.width, bitmap.height)


def grey_png(pixels: bytes, width: int, height: int) -> bytes:
    """Return rows of one byte a pixel as a PNG; Pillow for these lines would be 20 MB."""
    lines = b"".join(
        b"\0" + pixels[start : start + width] for start in range(0, width * height, width)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _refuse_cut(path: Path) -> None:
    with path.open("rb") as file:
        # The header may stand behind a few bytes of mail or web server noise.
        if b"%PDF-" not in file.read(1024):
            raise UnreadableDocument(
                kind="damaged", reason="the file is no PDF, whatever its name says"
            )
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        if b"%%EOF" not in file.read():
            raise UnreadableDocument(kind="damaged", reason="the PDF is cut: its end is missing")


def _pages(document: pdfium.PdfDocument, count: int) -> Iterator[Page]:
    handle = document.raw
    buffer = _buffer(FIRST_BUFFER)
    for index in range(count):
        # The objects around these calls cost a tenth of the time.
        page = raw.FPDF_LoadPage(handle, index)
        if not page:
            reason = f"page {index + 1} of the PDF is damaged"
            raise UnreadableDocument(kind="damaged", reason=reason)
        text, hidden, buffer = _text(page, buffer)
        blank = not text or text.isspace()
        yield Page(number=index + 1, text=text, scanned=blank and _has_picture(page), hidden=hidden)
        raw.FPDF_ClosePage(page)


def _text(page: raw.FPDF_PAGE, buffer: Buffer) -> tuple[str, Hidden, Buffer]:
    """Return the page's text, what of it is hidden, and the buffer: this one or a larger one."""
    handle = raw.FPDFText_LoadPage(page)
    if not handle:
        return "", (), buffer
    count = raw.FPDFText_CountChars(handle)
    # One code unit a character and one behind; a character may also give two (or none).
    if 2 * count + 1 > len(buffer):
        buffer = _buffer(4 * count)
    written = raw.FPDFText_GetText(handle, 0, count, buffer) if count > 0 else 0
    hidden = pdf_hidden(page, handle) if written > 1 else ()
    raw.FPDFText_ClosePage(handle)
    if written <= 1:
        return "", (), buffer
    text = bytes(memoryview(buffer).cast("B")[: 2 * (written - 1)]).decode(
        "utf-16-le", "surrogatepass"
    )
    text = clean(text)
    for hyphen in HYPHENS:
        text = text.replace(hyphen, "")
    return text, hidden, buffer


def _buffer(units: int) -> Buffer:
    return (ctypes.c_ushort * units)()


def _has_picture(page: raw.FPDF_PAGE) -> bool:
    count = min(raw.FPDFPage_CountObjects(page), MOST_OBJECTS)
    kinds = (raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page, index)) for index in range(count))
    return raw.FPDF_PAGEOBJ_IMAGE in kinds


def _headings(document: pdfium.PdfDocument, pages: list[Page]) -> list[list[Heading]]:
    """Return each page's headings: the bookmarks, found again in the text they point to."""
    found: dict[int, list[Heading]] = defaultdict(list)
    for number, bookmark in enumerate(document.get_toc()):
        if number >= MOST_BOOKMARKS:
            break
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        title = clean(bookmark.get_title() or "").strip()
        if index is None or not title or not 0 <= index < len(pages):
            continue
        earlier = found[index][-1].start if found[index] else 0
        start = _place(pages[index].text, title, earlier)
        found[index].append(Heading(start=start, level=bookmark.level + 1, title=title))
    return [found[index] for index in range(len(pages))]


def _place(text: str, title: str, after: int) -> int:
    """Return where the line begins that holds the title; the last heading's place without one."""
    place = text.find(title, after)
    if place < 0:
        words = r"\s+".join(re.escape(word) for word in title.split())
        match = re.search(words, text[after:])
        place = after + match.start() if match else -1
    return text.rfind("\n", 0, place) + 1 if place >= 0 else after
