"""HTML manuals to sections: a heading and the text below it, up to the next heading.

Reads what Sphinx and DocBook write. Navigation and tables of contents are left out: they hold
every heading of the page, and a question there would be found instead of its answer.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCKS = "address blockquote dd div dl dt hr li ol p pre section table td th tr ul"
BLOCKS = frozenset(_BLOCKS.split())
SKIPPED_TAGS = frozenset(("head", "nav", "script", "style"))
_NAVIGATION = (
    "contents footer headerlink index list-of-examples list-of-figures list-of-tables local "
    "navfooter navheader related sphinxsidebar toc toctree-wrapper topic"
)
SKIPPED_CLASSES = frozenset(_NAVIGATION.split())
_NUMBER = re.compile(
    r"^(?:(?:chapter|kapitel|appendix|anhang|part|teil)\s+)?(?:[0-9]+(?:\.[0-9]+)*|[A-Z])\.\s+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Section:
    """One section without those below it; `title` without its number, "" above the first."""

    title: str
    text: str


def sections(html: str) -> list[Section]:
    """Return the sections of a page in order, the empty ones too."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.sections()


class _Reader(HTMLParser):
    """Gathers text by heading, and drops whole elements by tag and class."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found: list[tuple[list[str], list[str]]] = [([], [])]
        self._skipped: tuple[str, int] | None = None
        self._heading: str | None = None
        self._verbatim = 0

    def sections(self) -> list[Section]:
        return [Section(_title(title), _text(text)) for title, text in self._found]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped:
            name, depth = self._skipped
            self._skipped = (name, depth + 1) if tag == name else self._skipped
            return
        classes = set((dict(attrs).get("class") or "").split())
        if tag in SKIPPED_TAGS or classes & SKIPPED_CLASSES:
            self._skipped = (tag, 1)
        elif tag in HEADINGS:
            self._heading = tag
            self._found.append(([], []))
        else:
            self._verbatim += tag == "pre"
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            name, depth = self._skipped
            depth -= tag == name
            self._skipped = (name, depth) if depth else None
        elif tag == self._heading:
            self._heading = None
        else:
            self._verbatim -= tag == "pre"
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        title, text = self._found[-1]
        if self._heading:
            title.append(data)
        else:
            text.append(data if self._verbatim else self._flowing(data))

    def _flowing(self, data: str) -> str:
        """Return the text in one line, without white space at the start of a paragraph."""
        flowing = re.sub(r"\s+", " ", data)
        before = self._found[-1][1]
        return flowing.lstrip() if not before or before[-1].endswith("\n") else flowing

    def _break(self, tag: str) -> None:
        if tag in BLOCKS and not self._heading:
            self._found[-1][1].append("\n\n")
        elif tag == "br":
            self._found[-1][1].append("\n")


def _title(parts: list[str]) -> str:
    return _NUMBER.sub("", " ".join("".join(parts).split()))


def _text(parts: list[str]) -> str:
    joined = re.sub(r"[ \t]+(?=\n)", "", "".join(parts))
    return re.sub(r"\n{3,}", "\n\n", joined).strip()
