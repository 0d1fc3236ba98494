"""Plain text and Markdown to page texts, in whatever encoding they came."""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from pipelines.reading.page import Page, UnreadableDocument, clean

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


def read_text(path: Path, max_pages: int) -> list[Page]:
    """Return the pages between form feeds; Markdown keeps its marks, so that spans stay true."""
    text = clean(decode(path.read_bytes()))
    parts = [part.strip("\n") for part in text.split("\f")]
    while parts and not parts[-1].strip():
        parts.pop()
    if not parts:
        raise UnreadableDocument(kind="no-text", reason="the file holds nothing but white space")
    if len(parts) > max_pages:
        reason = f"the file has {len(parts)} pages; at most {max_pages} are read"
        raise UnreadableDocument(kind="too-many-pages", reason=reason)
    return [Page(number=number, text=part) for number, part in enumerate(parts, start=1)]


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
