"""Plain text and Markdown to page texts, in whatever encoding they came."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from pipelines.reading.limits import Limits
from pipelines.reading.page import Heading, Page, UnreadableDocument, clean, outlined

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    # UTF-32 first: its little-endian mark begins with UTF-16's.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# Without this, short Western texts are taken for MS-DOS code pages that nobody writes any more.
LEGACY = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
]

_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_MARKED = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_UNDERLINE = re.compile(r"([=\-~^\"'`*+#])\1{2,}[ \t]*")


def read_text(path: Path, limits: Limits) -> list[Page]:
    """Return the pages between form feeds, their headings where they are underlined."""
    return _read(path, limits, marks=False)


def read_markdown(path: Path, limits: Limits) -> list[Page]:
    """Return the pages between form feeds; marks are kept, so that spans stay true."""
    return _read(path, limits, marks=True)


def _read(path: Path, limits: Limits, *, marks: bool) -> list[Page]:
    text = clean(decode(path.read_bytes()))
    parts = [part.strip("\n") for part in text.split("\f")]
    while parts and not parts[-1].strip():
        parts.pop()
    if not parts:
        raise UnreadableDocument(kind="no-text", reason="the file holds nothing but white space")
    if len(parts) > limits.pages:
        reason = f"the file has {len(parts)} pages; at most {limits.pages} are read"
        raise UnreadableDocument(kind="too-many-pages", reason=reason)
    # The characters that underline headings, the outermost first: = and - in Markdown.
    styles = ["=", "-"] if marks else []
    return outlined(
        [Page(number=number, text=part) for number, part in enumerate(parts, start=1)],
        [list(_headings(part, styles, marks=marks)) for part in parts],
    )


def _headings(text: str, styles: list[str], *, marks: bool) -> Iterator[Heading]:
    start, fenced, above = 0, False, ""
    for line in text.split("\n"):
        if marks and _FENCE.match(line):
            fenced = not fenced
        marked = _MARKED.fullmatch(line) if marks and not fenced else None
        if marked:
            title = marked[2].rstrip().rstrip("#").rstrip() or marked[2]
            yield Heading(start=start, level=len(marked[1]), title=title)
        elif not fenced and _underlines(line, above, marks=marks):
            if line[0] not in styles:
                styles.append(line[0])
            place = start - len(above) - 1
            yield Heading(start=place, level=styles.index(line[0]) + 1, title=above.strip())
        above = "" if marked else line
        start += len(line) + 1


def _underlines(line: str, above: str, *, marks: bool) -> bool:
    title = above.strip()
    if not title or not _UNDERLINE.fullmatch(line) or _UNDERLINE.fullmatch(title):
        return False
    # A rule below a paragraph is longer or shorter than a title's underline.
    return line[0] in "=-" if marks else 0 <= len(line.strip()) - len(title) <= 2


def decode(data: bytes) -> str:
    """Return the text of bytes: byte order mark, else UTF-8, else the likeliest encoding."""
    try:
        for mark, encoding in BOMS.items():
            if data.startswith(mark):
                return data.decode(encoding)
        if b"\0" in data:
            raise UnreadableDocument(kind="damaged", reason="the file is binary, not text")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            # The head decides: detection reads its input many times over.
            best = from_bytes(data[:65536], cp_isolation=LEGACY).best()
            return data.decode(best.encoding if best else "cp1252")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            kind="damaged", reason="the file is not text in any known encoding"
        ) from error
