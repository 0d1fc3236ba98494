"""A backup and those that continue it, on their way into a service: one after the other.

The body has each file as it is, behind its length of 8 bytes, big-endian: sealed ones stay sealed.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.access.key_store import KeyStore
from app.backup.archive import BadArchive, Manifest, unpack
from app.backup.rows import check_rows
from app.backup.sealing import Key, Opener
from app.documents.journal import Journal
from app.documents.opening import check_format

MEDIA_TYPE = "application/vnd.stackyard.backups"
LENGTH = 8
FILE, JOURNAL, KEYS = "backup.tar", "journal.sqlite3", "keys.sqlite3"


class BrokenChain(Exception):
    """What came is whole, and does not go on from what came before; the text says where."""


@dataclass(frozen=True)
class Part:
    """A backup, unpacked below `root` and held against its hashes."""

    manifest: Manifest
    root: Path


class Arrival:
    """Takes the files of a chain piece by piece; each is whole and in its place, or refused.

    Raises BadArchive, BrokenChain, WrongKey, and WrongFormat for a later version's.
    """

    def __init__(self, root: Path, keys: Sequence[Key], *, plain: bool = False) -> None:
        """With `plain`, files need not be sealed where there are keys."""
        self._root, self._keys, self._takes_plain = root, keys, plain
        self._parts: list[Part] = []
        self._opened: tuple[Path, Opener, IO[bytes]] | None = None

    def take(self, number: int, piece: bytes) -> None:
        """Go on with a file, counted from 0, or begin it."""
        if self._opened is not None and number > len(self._parts):
            self._end()
        if self._opened is None:
            root = self._root / str(number)
            root.mkdir()
            self._opened = (
                root,
                Opener(self._keys, plain=self._takes_plain),
                (root / FILE).open("wb"),
            )
        _, opener, out = self._opened
        out.write(opener.feed(piece))

    def finish(self) -> list[Part]:
        """Return all that came, the whole backup first."""
        self._end()
        return self._parts

    @property
    def number(self) -> int:
        """Return which file is at hand, counted from 0."""
        return len(self._parts)

    def close(self) -> None:
        """Let go of a file that nobody finishes."""
        if self._opened is not None:
            self._opened[2].close()

    def _end(self) -> None:
        if self._opened is None:
            message = "it is empty"
            raise BadArchive(message)
        root, opener, out = self._opened
        self._opened = None
        out.close()
        opener.finish()
        part = Part(unpacked(root), root)
        if self._parts:
            _check_link(self._parts[-1].manifest, part.manifest)
        elif part.manifest.since is not None:
            message = (
                f"it begins with what changed since {part.manifest.since}, and needs that backup"
                " and all before it, back to a whole one"
            )
            raise BrokenChain(message)
        self._parts.append(part)


def _check_link(before: Manifest, after: Manifest) -> None:
    if after.since is None or after.since != before.mark:
        goes_on = "is whole" if after.since is None else f"goes on from {after.since}"
        message = (
            f"{after.mark or after.created} {goes_on}, and before it comes"
            f" {before.mark or before.created}: one is missing, or they are not in their order"
        )
        raise BrokenChain(message)


def unpacked(root: Path) -> Manifest:
    """Unpack what was received where it lies, and say what it holds.

    Raises BadArchive, and WrongFormat where this version does not know its journal.
    """
    manifest = unpack(root / FILE, root)
    (root / FILE).unlink()
    needed = [JOURNAL, KEYS, *(f"points/{each}.jsonl" for each in manifest.points)]
    if lacking := [name for name in needed if not any(name == m.name for m in manifest.members)]:
        message = f"{lacking[0]!a} is missing"
        raise BadArchive(message)
    try:
        _open_databases(root)
        check_rows(root / JOURNAL, root / KEYS)
    # the hashes are of the backup's own list, which anyone can write
    except (sqlite3.Error, ValueError, TypeError, LookupError) as error:
        message = "its journal or its keys are damaged"
        raise BadArchive(message) from error
    return manifest


def _open_databases(root: Path) -> None:
    """Open the journal and the keys as the service does, which brings them up to date."""
    for name in (JOURNAL, KEYS):
        with closing(sqlite3.connect(root / name)) as db:
            if name == JOURNAL:
                check_format(db)
            (found,) = db.execute("pragma quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
    Journal(root / JOURNAL).close()
    KeyStore(root / KEYS).close()


async def one_file(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the pieces of a body that is one backup."""
    async for piece in body:
        yield 0, piece


async def several_files(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the pieces of each file with its number. Raises BadArchive where one is cut."""
    waiting, left, number = bytearray(), 0, -1
    async for piece in body:
        waiting += piece
        while waiting and (left or len(waiting) >= LENGTH):
            if left:
                taken = bytes(waiting[:left])
                del waiting[: len(taken)]
                left -= len(taken)
                yield number, taken
                continue
            left, number = int.from_bytes(waiting[:LENGTH], "big"), number + 1
            del waiting[:LENGTH]
            if not left:
                message = f"file {number + 1} is empty"
                raise BadArchive(message)
    if left or waiting:
        message = f"file {number + 1} is cut"
        raise BadArchive(message)
