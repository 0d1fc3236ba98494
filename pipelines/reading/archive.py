"""Archives to the pages of the files inside them; nothing is ever unpacked to its own name."""

import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pipelines.reading.limits import Limits
from pipelines.reading.package import open_zip, refuse_bomb
from pipelines.reading.page import UnreadableDocument

# What packing programs leave behind.
LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
BLOCK = 512  # a TAR is made of these, and ends in two of zeros
RECORD = 2**16
BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError),
    *(IndexError, struct.error, ValueError),  # zipfile's, where an entry ends before its end
)


@dataclass(frozen=True)
class Member:
    """A file inside an archive: open to be read, or refused unread."""

    name: str
    content: IO[bytes] | None
    reason: str | None = None


def zip_members(path: Path, limits: Limits) -> Iterator[Member]:
    """Yield the files of a ZIP in their order."""
    try:
        with open_zip(path, "ZIP", limits) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry in entries:
                if _is_litter(entry.filename):
                    continue
                if reason := _bad_name(entry.filename):
                    yield Member(entry.filename, None, reason)
                elif entry.flag_bits & 1:
                    yield Member(entry.filename, None, "it is protected by a password")
                else:
                    with archive.open(entry) as content:
                        yield Member(entry.filename, content)
    except BROKEN as error:
        raise UnreadableDocument(kind="damaged", reason="the ZIP is damaged or cut") from error


def tar_members(path: Path, limits: Limits) -> Iterator[Member]:
    """Yield the files of a TAR, packed or not, in their order; it is read once and never back."""
    packed = path.stat().st_size
    unpacked = 0
    try:
        with (
            path.open("rb") as raw,
            gzip.GzipFile(fileobj=raw) if _is_gzip(raw) else nullcontext(raw) as content,
            # Read from its front to its end, tarfile asks for `read` alone.
            tarfile.open(fileobj=cast(IO[bytes], stream := _Stream(content)), mode="r|") as archive,
        ):
            for entry in archive:
                unpacked += entry.size
                refuse_bomb([(unpacked, packed)], "TAR", limits)
                if entry.isdir() or _is_litter(entry.name):
                    continue
                if reason := _bad_name(entry.name):
                    yield Member(entry.name, None, reason)
                elif not entry.isfile():
                    yield Member(entry.name, None, "it is a link or a device, not a file")
                else:
                    yield Member(entry.name, archive.extractfile(entry))
            stream.refuse_cut()
    except BROKEN as error:
        raise UnreadableDocument(kind="damaged", reason="the TAR is damaged or cut") from error


class _Stream:
    """Hands bytes to tarfile and remembers the last, since tarfile does not mind a missing end."""

    def __init__(self, content: IO[bytes] | gzip.GzipFile) -> None:
        self._content = content
        self._last = b""

    def read(self, size: int) -> bytes:
        data = self._content.read(size)
        self._last = (self._last + data)[-BLOCK:]
        return data

    def refuse_cut(self) -> None:
        """Read to the end; a TAR without the zeros that end it may have held more."""
        while self.read(RECORD):
            pass
        if self._last.strip(b"\0"):
            raise UnreadableDocument(kind="damaged", reason="the TAR is cut: its end is missing")


def _is_gzip(raw: IO[bytes]) -> bool:
    mark = raw.read(2)
    raw.seek(0)
    return mark == b"\x1f\x8b"


def _is_litter(name: str) -> bool:
    return name.startswith(LITTER[0]) or PurePosixPath(name).name in LITTER


def _bad_name(name: str) -> str | None:
    """Return why a name is none: where unpacking would write outside, the archive means harm."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "its name leads out of the archive"
    return None
