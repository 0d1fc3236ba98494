"""EPUB to page texts: each file of the book's reading order is a page."""

import posixpath
import zipfile
from pathlib import Path
from urllib.parse import unquote

from pipelines.reading.html import visible_text
from pipelines.reading.limits import Limits
from pipelines.reading.package import BROKEN, open_zip, parse_xml
from pipelines.reading.page import Page, UnreadableDocument, outlined


def read_epub(path: Path, limits: Limits) -> list[Page]:
    """Return the book's text with its headings; a file without text keeps its number."""
    try:
        with open_zip(path, "EPUB", limits) as archive:
            if "META-INF/encryption.xml" in archive.namelist() and _is_locked(archive):
                reason = "the EPUB is protected: its text is encrypted"
                raise UnreadableDocument(kind="encrypted", reason=reason)
            names = _reading_order(archive)
            if len(names) > limits.pages:
                reason = f"the EPUB has {len(names)} files; at most {limits.pages} are read"
                raise UnreadableDocument(kind="too-many-pages", reason=reason)
            read = [visible_text(archive.read(name)) for name in names]
    except BROKEN as error:
        raise UnreadableDocument(kind="damaged", reason="the EPUB is damaged or cut") from error
    if not any(text for text, _ in read):
        raise UnreadableDocument(kind="no-text", reason="the EPUB holds no text")
    return outlined(
        [Page(number=number, text=text) for number, (text, _) in enumerate(read, start=1)],
        [headings for _, headings in read],
    )


def _reading_order(archive: zipfile.ZipFile) -> list[str]:
    container = parse_xml(archive.read("META-INF/container.xml"))
    root_file = container.find(".//{*}rootfile")
    if root_file is None:
        reason = "the EPUB names no book"
        raise UnreadableDocument(kind="damaged", reason=reason)
    package = root_file.attrib["full-path"]
    book = parse_xml(archive.read(package))
    files = {
        item.get("id"): posixpath.normpath(
            posixpath.join(posixpath.dirname(package), unquote(item.get("href", "")))
        )
        for item in book.iterfind(".//{*}manifest/{*}item")
    }
    return [files[item.get("idref")] for item in book.iterfind(".//{*}spine/{*}itemref")]


def _is_locked(archive: zipfile.ZipFile) -> bool:
    """Say whether more than fonts is encrypted."""
    encrypted = parse_xml(archive.read("META-INF/encryption.xml")).iter("{*}CipherReference")
    return any(each.get("URI", "").endswith(("html", "htm", "xml")) for each in encrypted)
