"""DOCX to page texts, by python-docx: paragraphs and tables in their order."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.document import Document
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from pipelines.reading.page import Page, UnreadableDocument, clean

# Word compresses text about tenfold; a file that unpacks to this much is meant to hurt.
MAX_UNPACKED = 512 * 2**20

BREAK = "\f"

# What comes out of broken archives and broken XML; lxml's parse errors are SyntaxErrors.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    OpcError,
    SyntaxError,
    LookupError,
    ValueError,
    AttributeError,
    EOFError,
    NotImplementedError,
)


def read_docx(path: Path, max_pages: int) -> list[Page]:
    """Return the pages between the page breaks that Word left in the file; often one."""
    try:
        _refuse_bomb(path)
        document = docx.Document(str(path))
        text = clean("\n".join(_blocks(document)))
    except _BROKEN as error:
        raise UnreadableDocument(kind="damaged", reason="the DOCX is damaged or cut") from error
    parts = [part.strip("\n") for part in text.split(BREAK)]
    # Word marks a hard break twice: where it was typed and where the page was drawn.
    parts = [part for part in parts if part.strip()]
    if not parts:
        raise UnreadableDocument(kind="no-text", reason="the DOCX holds no text")
    if len(parts) > max_pages:
        reason = f"the DOCX has {len(parts)} pages; at most {max_pages} are read"
        raise UnreadableDocument(kind="too-many-pages", reason=reason)
    return [Page(number=number, text=part) for number, part in enumerate(parts, start=1)]


def _refuse_bomb(path: Path) -> None:
    with path.open("rb") as file:
        # Word writes a password-protected file as an OLE container.
        if file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            reason = "the DOCX is protected by a password, or an old DOC under a new name"
            raise UnreadableDocument(kind="encrypted", reason=reason)
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
            reason = f"the DOCX unpacks to more than {MAX_UNPACKED // 2**20} MB"
            raise UnreadableDocument(kind="damaged", reason=reason)


def _blocks(document: Document) -> Iterator[str]:
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            yield _paragraph(block)
        else:
            yield from _rows(block)


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        # A merged cell comes once for each column that it covers.
        cells = list(dict.fromkeys(row.cells))
        yield " | ".join(" ".join(cell.text.split()) for cell in cells)


def _paragraph(paragraph: Paragraph) -> str:
    return "".join(_pieces(paragraph))


def _pieces(paragraph: Paragraph) -> Iterator[str]:
    for node in paragraph._p.iter():
        if node.tag == qn("w:t"):
            yield node.text or ""
        elif node.tag == qn("w:tab"):
            yield "\t"
        elif node.tag == qn("w:lastRenderedPageBreak"):
            yield BREAK
        elif node.tag == qn("w:br"):
            yield BREAK if node.get(qn("w:type")) == "page" else "\n"
