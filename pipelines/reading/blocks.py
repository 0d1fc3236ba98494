"""A tree of HTML, or of what trafilatura makes of it, to text with headings."""

import re

from lxml import etree  # type: ignore[import-untyped]

from pipelines.reading.page import Heading
from pipelines.reading.writing import TextWriter

HIDDEN = frozenset(("script", "style", "template", "noscript", "title", "svg", "math"))
# What stands alone, with a blank line around it.
APART = frozenset(
    (
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "head", "list", "ul", "ol", "dl", "table"),
        *("blockquote", "quote", "pre", "section", "article", "figure", "header", "footer"),
        *("nav", "aside", "main", "form", "hr"),
    )
)
LINES = frozenset(
    (
        *("div", "li", "item", "tr", "row", "dt", "dd", "br", "lb"),
        *("caption", "figcaption", "option", "summary"),
    )
)
CELLS = frozenset(("td", "th", "cell"))
ITEMS = frozenset(("li", "item"))

_LEVEL = re.compile(r"h([1-6])")


def text_of(root: etree._Element) -> tuple[str, list[Heading]]:
    """Return the visible text in reading order, and the headings in it. Does not recurse."""
    writer = TextWriter()
    begun: list[tuple[etree._Element, int, int]] = []
    preformatted = 0
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event in ("comment", "pi"):
            writer.words(element.tail or "")
            continue
        # Not by QName: HTML has names that XML has not, such as <p:b@>.
        tag = element.tag.rpartition("}")[2].lower()
        if event == "start":
            if tag in HIDDEN:
                walk.skip_subtree()
                continue
            _break(writer, tag)
            if level := _level(element, tag):
                begun.append((element, writer.position, level))
            _mark(writer, element, tag)
            preformatted += tag == "pre"
            _write(writer, element.text, verbatim=preformatted > 0)
        else:
            if tag not in HIDDEN:
                preformatted -= tag == "pre"
                if begun and begun[-1][0] is element:
                    _, start, level = begun.pop()
                    writer.heading(start, level)
                _break(writer, tag)
            if element is not root:
                _write(writer, element.tail, verbatim=preformatted > 0)
    return writer.page()


def _write(writer: TextWriter, text: str | None, *, verbatim: bool) -> None:
    if text and verbatim:
        writer.verbatim(text)
    elif text:
        writer.words(text)


def _break(writer: TextWriter, tag: str) -> None:
    if tag in APART:
        writer.gap()
    elif tag in LINES:
        writer.line()


def _mark(writer: TextWriter, element: etree._Element, tag: str) -> None:
    if tag in ITEMS:
        writer.words("- ")
    elif tag in CELLS and element.getprevious() is not None:
        writer.words(" | ")


def _level(element: etree._Element, tag: str) -> int:
    """Return the level of a heading, 0 for anything else."""
    name = element.get("rend") or "h2" if tag == "head" else tag
    match = _LEVEL.fullmatch(name)
    return int(match[1]) if match else 0
