"""Tables to page texts: CSV and XLSX, a line for each row that can be read without the others."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from pipelines.reading.limits import Limits
from pipelines.reading.package import BROKEN, open_package
from pipelines.reading.page import Heading, Page, UnreadableDocument, clean, outlined
from pipelines.reading.text import decode

ROWS_PER_PAGE = 200
SAMPLE = 8192
LARGEST_FIELD = 1_000_000


def read_csv(path: Path, limits: Limits) -> list[Page]:
    """Return pages of 200 rows; the delimiter is guessed from the first lines."""
    text = clean(decode(path.read_bytes()))
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:SAMPLE], ",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if "\t" in text[:SAMPLE] else csv.excel
    csv.field_size_limit(LARGEST_FIELD)
    try:
        return _finished(
            "CSV", [(None, csv.reader(text.splitlines(keepends=True), dialect))], limits
        )
    except csv.Error as error:
        raise UnreadableDocument(kind="damaged", reason=f"the CSV is broken: {error}") from error


def read_xlsx(path: Path, limits: Limits) -> list[Page]:
    """Return the sheets in their order, each in pages of 200 rows below its name."""
    try:
        open_package(path, "XLSX", limits).close()
        with CalamineWorkbook.from_path(str(path)) as book:
            sheets = ((name, _cells(book, name)) for name in book.sheet_names)
            return _finished("XLSX", sheets, limits)
    except (CalamineError, *BROKEN) as error:
        raise UnreadableDocument(kind="damaged", reason="the XLSX is damaged or cut") from error


def _cells(book: CalamineWorkbook, name: str) -> Iterator[list[str]]:
    for row in book.get_sheet_by_name(name).iter_rows():
        yield [
            str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
            for cell in row
        ]


def _finished(
    what: str, tables: Iterable[tuple[str | None, Iterable[Sequence[str]]]], limits: Limits
) -> list[Page]:
    pages: list[Page] = []
    headings: list[list[Heading]] = []
    for title, rows in tables:
        lines = _lines(rows)
        while chunk := list(itertools.islice(lines, ROWS_PER_PAGE)):
            if len(pages) >= limits.pages:
                rows_read = limits.pages * ROWS_PER_PAGE
                reason = f"the {what} has more than {rows_read} rows, which is what is read"
                raise UnreadableDocument(kind="too-many-pages", reason=reason)
            # A blank line ends a row for certain: no sentence goes on in the next.
            pages.append(Page(number=len(pages) + 1, text="\n\n".join(chunk)))
            headings.append([Heading(start=0, level=1, title=title)] if title else [])
    if not pages:
        raise UnreadableDocument(kind="no-text", reason=f"the {what} holds no text")
    return outlined(pages, headings)


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield `column: value; column: value` where the first row names the columns, else the row."""
    columns: list[str] | None = None
    for row in rows:
        cells = [" ".join(clean(cell).split()) for cell in row]
        if not any(cells):
            continue
        if columns is None:
            columns = cells if _names_columns(cells) else []
            yield " | ".join(cells)
        elif columns:
            named = itertools.zip_longest(columns, cells, fillvalue="")
            yield "; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)
        else:
            yield " | ".join(cells)


def _names_columns(cells: list[str]) -> bool:
    return (
        len(cells) > 1
        and all(cells)
        and len(set(cells)) == len(cells)
        and not any(char.isdigit() for cell in cells for char in cell[:1])
    )
