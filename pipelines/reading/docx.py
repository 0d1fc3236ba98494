"""DOCX to page texts, by python-docx: paragraphs and tables in their order."""

import re
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.document import Document
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from pipelines.reading.hidden import docx_hidden
from pipelines.reading.limits import Limits
from pipelines.reading.package import BROKEN, open_package
from pipelines.reading.page import Heading, Page, UnreadableDocument, clean, outlined

BREAK = "\f"

_HEADING = re.compile(r"(?:Heading|heading) ([1-9])|(Title)")


def read_docx(path: Path, limits: Limits) -> list[Page]:
    """Return the pages between the page breaks that Word left in the file; often one."""
    try:
        open_package(path, "DOCX", limits).close()
        document = docx.Document(str(path))
        blocks = list(_blocks(document))
        hidden = list(docx_hidden(document.element.body, qn("w:t").removesuffix("t")))
    except (*BROKEN, OpcError) as error:
        raise UnreadableDocument(kind="damaged", reason="the DOCX is damaged or cut") from error
    pages = [page for page in _paged(blocks) if page[0]]
    if not pages:
        raise UnreadableDocument(kind="no-text", reason="the DOCX holds no text")
    if len(pages) > limits.pages:
        reason = f"the DOCX has {len(pages)} pages; at most {limits.pages} are read"
        raise UnreadableDocument(kind="too-many-pages", reason=reason)
    return outlined(
        [
            # A run stands on the page that holds its words.
            Page(number=number, text=text, hidden=tuple(h for h in hidden if clean(h[0]) in text))
            for number, (text, _) in enumerate(pages, start=1)
        ],
        [headings for _, headings in pages],
    )


def _paged(blocks: list[tuple[str, int]]) -> Iterator[tuple[str, list[Heading]]]:
    """Yield the text between breaks; Word marks a hard one twice: as typed and as drawn."""
    lines: list[str] = []
    headings: list[Heading] = []
    length = 0

    def page() -> tuple[str, list[Heading]]:
        return "\n".join(lines).rstrip("\n"), headings

    for block, level in blocks:
        for index, part in enumerate(block.split(BREAK)):
            if index:
                yield page()
                lines, headings, length = [], [], 0
            if not part.strip() and not lines:
                continue
            if level and part.strip():
                headings.append(Heading(start=length, level=level, title=part.strip()))
            lines.append(part)
            length += len(part) + 1
    yield page()


def _blocks(document: Document) -> Iterator[tuple[str, int]]:
    """Yield each block's text with its level: 0 is no heading."""
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            yield clean("".join(_pieces(block))), _level(block)
        else:
            yield from ((clean(row), 0) for row in _rows(block))


def _level(paragraph: Paragraph) -> int:
    style = paragraph.style
    match = _HEADING.match(style.name or "") if style is not None else None
    return int(match[1] or 1) if match else 0


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        # A merged cell comes once for each column that it covers.
        cells = list(dict.fromkeys(row.cells))
        yield " | ".join(" ".join(cell.text.split()) for cell in cells)


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
