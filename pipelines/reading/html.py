"""HTML to one page of text, by trafilatura; no link, image or style is ever fetched."""

from pathlib import Path

import trafilatura
from lxml import etree  # type: ignore[import-untyped]

from pipelines.reading.blocks import text_of
from pipelines.reading.hidden import html_hidden
from pipelines.reading.limits import Limits
from pipelines.reading.page import Heading, Page, UnreadableDocument, outlined
from pipelines.reading.text import decode

# What has fewer characters holds no menus worth leaving out, and trafilatura loses headings there.
SHORT = 1000


def read_html(path: Path, limits: Limits) -> list[Page]:
    """Return the page's main text; where none stands out, all of its visible text."""
    source = decode(path.read_bytes())
    text, headings = html_text(source)
    if not text:
        raise UnreadableDocument(kind="no-text", reason="the HTML holds no text")
    return outlined([Page(number=1, text=text, hidden=html_hidden(source))], [headings])


def html_text(source: str) -> tuple[str, list[Heading]]:
    """Return the main text of a page and its headings; a short page is all main text."""
    visible = visible_text(source.encode())
    if len(visible[0]) <= SHORT:
        return visible
    found = trafilatura.bare_extraction(
        source,
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        favor_recall=True,
    )
    body = getattr(found, "body", None)
    if body is not None:
        text, headings = text_of(body)
        if text:
            return text, headings
    return visible


def visible_text(source: bytes) -> tuple[str, list[Heading]]:
    """Return all that a browser would show, and the headings in it."""
    root = etree.fromstring(source, etree.HTMLParser(encoding="utf-8", no_network=True))
    return text_of(root) if root is not None else ("", [])
