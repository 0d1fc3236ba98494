"""Zip files that hold XML: office files and EPUBs, opened within limits."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

from pipelines.reading.limits import Limits
from pipelines.reading.page import UnreadableDocument

# Below this no ratio hurts anyone.
HARMLESS = 10 * 2**20
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEAD = 1024

# What comes out of broken archives and broken XML; lxml's parse errors are SyntaxErrors.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,
    LookupError,
    ValueError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    OSError,
)


def open_package(path: Path, what: str, limits: Limits) -> zipfile.ZipFile:
    """Return the open zip of an office file; refuse passwords, bombs and declared entities."""
    with path.open("rb") as file:
        # Office programs write a password-protected file as an OLE container.
        if file.read(8) == OLE:
            reason = f"the {what} is protected by a password, or an old format under a new name"
            raise UnreadableDocument(kind="encrypted", reason=reason)
    archive = open_zip(path, what, limits)
    for entry in archive.infolist():
        # Of the others, LZMA takes as much memory as the file says, up to 4 GB.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            reason = f"the {what} packs {entry.filename} by a method that no office uses"
            raise UnreadableDocument(kind="damaged", reason=reason)
        if entry.filename.endswith((".xml", ".rels")):
            with archive.open(entry) as file:
                if b"<!DOCTYPE" in file.read(HEAD):
                    reason = f"the {what} declares entities in {entry.filename}; no office does"
                    raise UnreadableDocument(kind="damaged", reason=reason)
    return archive


def open_zip(path: Path, what: str, limits: Limits) -> zipfile.ZipFile:
    """Return the open zip, or refuse one that unpacks to too much."""
    archive = zipfile.ZipFile(path)
    most = path.stat().st_size
    if any(entry.compress_size > most for entry in archive.infolist()):
        message = "a part is longer than the file"  # as much memory would be asked for
        raise zipfile.BadZipFile(message)
    sizes = ((entry.file_size, entry.compress_size) for entry in archive.infolist())
    refuse_bomb(sizes, what, limits)
    return archive


def refuse_bomb(sizes: Iterable[tuple[int, int]], what: str, limits: Limits) -> None:
    """Add up (unpacked, packed) bytes and refuse too many, or too many for what they came in."""
    unpacked = packed = 0
    for large, small in sizes:
        unpacked, packed = unpacked + large, packed + small
        if unpacked > limits.unpacked:
            reason = f"the {what} unpacks to more than {limits.unpacked // 2**20} MB"
            raise UnreadableDocument(kind="too-large", reason=reason)
    if unpacked > HARMLESS and unpacked > packed * limits.ratio:
        reason = (
            f"the {what} unpacks to {unpacked // max(packed, 1)} times its size;"
            f" at most {limits.ratio} times is read"
        )
        raise UnreadableDocument(kind="too-large", reason=reason)


def parse_xml(data: bytes) -> etree._Element:
    """Return the root; entities stay unresolved and nothing is fetched."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    return etree.fromstring(data, parser)
