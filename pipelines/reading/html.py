"""HTML to one page of text, by trafilatura; no link, image or style is ever fetched."""

from html.parser import HTMLParser
from pathlib import Path

import trafilatura

from pipelines.reading.page import Page, UnreadableDocument, clean
from pipelines.reading.text import decode


def read_html(path: Path) -> list[Page]:
    """Return the page's main text; where none stands out, all of its visible text."""
    source = decode(path.read_bytes())
    extracted = trafilatura.extract(
        source, include_comments=False, include_tables=True, favor_recall=True
    )
    text = clean(extracted or _visible_text(source)).strip()
    if not text:
        raise UnreadableDocument(kind="no-text", reason="the HTML holds no text")
    return [Page(number=1, text=text)]


class _VisibleText(HTMLParser):
    """Collects the text between tags, a line for each run of it."""

    HIDDEN = frozenset(("script", "style", "template", "noscript"))

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in self.HIDDEN

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in self.HIDDEN and self._hidden > 0

    def handle_data(self, data: str) -> None:
        line = " ".join(data.split())
        if line and not self._hidden:
            self.lines.append(line)


def _visible_text(source: str) -> str:
    parser = _VisibleText()
    parser.feed(source)
    parser.close()
    return "\n".join(parser.lines)
