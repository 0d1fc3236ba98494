"""JSON to page texts: a block for each record, a line for each value below its path."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from pipelines.reading.limits import Limits
from pipelines.reading.page import Page, UnreadableDocument, clean
from pipelines.reading.text import decode

RECORDS_PER_PAGE = 200


def read_json(path: Path, limits: Limits) -> list[Page]:
    """Return pages of 200 records: the items of a list, or the whole of anything else."""
    try:
        whole = json.loads(decode(path.read_bytes()))
        return _pages(whole if isinstance(whole, list) else [whole], limits)
    except (ValueError, RecursionError) as error:
        what = "the JSON"
        raise _damaged(what, error) from error


def read_jsonl(path: Path, limits: Limits) -> list[Page]:
    """Return pages of 200 records, one a line."""
    records = []
    for number, line in enumerate(decode(path.read_bytes()).splitlines(), start=1):
        try:
            records += [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError) as error:
            what = f"line {number} of the JSON lines"
            raise _damaged(what, error) from error
    return _pages(records, limits)


def _damaged(what: str, error: Exception) -> UnreadableDocument:
    deep = isinstance(error, RecursionError)
    reason = f"{what} is nested too deep" if deep else f"{what} is no JSON"
    return UnreadableDocument(kind="damaged", reason=reason)


def _pages(records: list[object], limits: Limits) -> list[Page]:
    blocks = (clean("\n".join(_lines(record, ""))) for record in records)
    filled = (block for block in blocks if block.strip())
    pages: list[Page] = []
    while chunk := list(itertools.islice(filled, RECORDS_PER_PAGE)):
        if len(pages) >= limits.pages:
            most = limits.pages * RECORDS_PER_PAGE
            reason = f"the JSON has more than {most} records, which is what is read"
            raise UnreadableDocument(kind="too-many-pages", reason=reason)
        pages.append(Page(number=len(pages) + 1, text="\n\n".join(chunk)))
    if not pages:
        raise UnreadableDocument(kind="no-text", reason="the JSON holds no text")
    return pages


def _lines(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value, start=1):
            yield from _lines(item, f"{path}[{index}]")
    elif value is not None and value != "":
        said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"{path}: {said}" if path else said
