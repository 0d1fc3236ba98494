"""What every reader returns, and how a file is refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

# Stable words for programs; the sentence beside them is for people.
Refusal = Literal[
    "empty",
    "damaged",
    "encrypted",
    "unknown-type",
    "no-text",
    "needs-ocr",
    "too-many-pages",
    "too-large",
    "too-slow",
]

LONGEST_TITLE = 200


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading at a code point of its page's text; levels count from 1, the outermost."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """From `start` on, the page's text stands below these headings, outermost first."""

    start: int
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The text of one page, numbered from 1; sections begin at 0 and rise, or there are none.

    `part` names the file inside an archive or a mail; `scanned` is a picture without text.
    """

    number: int
    text: str
    sections: tuple[Section, ...] = ()
    part: str | None = None
    scanned: bool = False
    # What of it no reader sees, and whether that is odd by itself; not kept.
    hidden: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one file inside an archive or a mail; `reason` says why it was refused."""

    name: str
    pages: int = 0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something on a page that speaks to a model; `kind` is a stable word for programs."""

    kind: str
    page: int
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A file that was read: its pages, and a verdict for each file inside it, if it holds any."""

    pages: list[Page]
    files: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def note(self) -> str | None:
        """Return what could not be read, in one sentence; None where all was."""
        notes = []
        if scanned := [page.number for page in self.pages if page.scanned]:
            notes.append(
                f"{_pages(scanned)} a picture without text: text recognition (OCR) is needed"
            )
        if refused := [file for file in self.files if file.reason]:
            listed = "; ".join(f"{file.name}: {file.reason}" for file in refused[:5])
            more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
            notes.append(f"{len(refused)} of {len(self.files)} files refused: {listed}{more}")
        return "; ".join(notes) or None


class UnreadableDocument(Exception):
    """A file that cannot be indexed: `kind` for programs, `reason` for people."""

    def __init__(self, *, kind: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.kind: Refusal = kind
        self.reason = reason


def clean(text: str) -> str:
    """Return the text with plain line ends and without what no store or JSON can carry.

    Nothing else is touched: spans count code points of exactly this text.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Broken fonts give halves of surrogate pairs, which UTF-8 cannot encode.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def pages_to_json(pages: Sequence[Page]) -> list[dict[str, Any]]:
    """Return what JSON can carry; what is not there is left out."""
    listed = []
    for page in pages:
        shown: dict[str, Any] = {"number": page.number, "text": page.text}
        if page.sections:
            shown["sections"] = [(section.start, section.path) for section in page.sections]
        if page.part is not None:
            shown["part"] = page.part
        if page.scanned:
            shown["scanned"] = True
        listed.append(shown)
    return listed


def pages_from_json(listed: Sequence[Mapping[str, Any]]) -> list[Page]:
    """Return the pages as they were."""
    return [
        Page(
            number=shown["number"],
            text=shown["text"],
            sections=tuple(
                Section(start=start, path=tuple(path)) for start, path in shown.get("sections", ())
            ),
            part=shown.get("part"),
            scanned=shown.get("scanned", False),
        )
        for shown in listed
    ]


def outlined(pages: Sequence[Page], headings: Iterable[Sequence[Heading]]) -> list[Page]:
    """Return the pages with their sections; what a page begins with may be an earlier heading's."""
    open_headings: list[Heading] = []
    done = []
    for page, found in zip(pages, headings, strict=True):
        sections = [Section(start=0, path=_path(open_headings))] if open_headings else []
        for heading in found:
            while open_headings and open_headings[-1].level >= heading.level:
                open_headings.pop()
            open_headings.append(heading)
            if not sections and heading.start > 0:
                sections.append(Section(start=0, path=()))
            if sections and sections[-1].start >= heading.start:
                sections.pop()
            sections.append(Section(start=heading.start, path=_path(open_headings)))
        done.append(replace(page, sections=tuple(sections)))
    return done


def _path(headings: Sequence[Heading]) -> tuple[str, ...]:
    return tuple(" ".join(heading.title.split())[:LONGEST_TITLE] for heading in headings)


def _pages(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"page {numbers[0]} is"
    shown = ", ".join(map(str, numbers[:10]))
    return f"pages {shown}{' and more' if len(numbers) > 10 else ''} are"
