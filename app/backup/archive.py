"""The file of a backup: a tar whose first member lists every other one with size and hash.

Written as a stream, so that a backup needs no second copy of the documents on the disk.
"""

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import IO

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import from_json

FORMAT = 1
MANIFEST = "manifest.json"
BLOCK = 512  # of a tar
CHUNK = 2**20
LONGEST_MANIFEST = 512 * 2**20
# where a member may lie below the folder that it is unpacked into
PLACE = re.compile(
    r"journal\.sqlite3|keys\.sqlite3|points/[a-z0-9][a-z0-9_-]{0,62}\.jsonl"
    r"|originals/[0-9a-f]{2}/[0-9a-f]{64}|pages/[0-9a-f]{32}/[0-9a-f]{64}\.json"
)

Source = IO[bytes] | RawIOBase  # of which only `read` is used, from front to end


class BadArchive(Exception):
    """The file cannot be taken; the text says which part, and what is wrong with it."""


@dataclass(frozen=True)
class Member:
    """One file of a backup."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds; `dimension` is the length of its vectors.

    One that has `since` continues the backup of that mark: of `changed`, documents by their ids, it
    has all points that there are now, and of the others none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    created: str
    dimension: int
    model: str
    documents: int
    points: dict[str, int]
    members: tuple[Member, ...]
    mark: str = ""  # none of a backup from before there were any
    since: str | None = None
    changed: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        try:
            found = from_json(text)
            if found.pop("format") != FORMAT:
                message = f"{MANIFEST} is of another format than {FORMAT}"
                raise BadArchive(message)
            return _MANIFEST.validate_python(found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{MANIFEST} is damaged"
            raise BadArchive(message) from error


_MANIFEST = TypeAdapter(Manifest)


def listing(root: Path, manifest: Manifest, names: Iterable[str]) -> Manifest:
    """Return the manifest with these files below `root`, each with its size and hash."""
    return replace(manifest, members=tuple(member(root, name) for name in names))


def member(root: Path, name: str) -> Member:
    """Return a file below `root` with its size and hash."""
    with (root / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Member(name, (root / name).stat().st_size, digest)


def written(root: Path, manifest: Manifest) -> Iterator[bytes]:
    """Yield the tar of a manifest and its files below `root`, piece by piece."""
    text = manifest.to_json()
    yield _head(MANIFEST, len(text))
    yield text + _padding(len(text))
    for each in manifest.members:
        yield _head(each.name, each.size)
        with (root / each.name).open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
        if padding := _padding(each.size):
            yield padding
    yield bytes(2 * BLOCK)


def size_of(manifest: Manifest) -> int:
    """Return how many bytes `written` yields."""
    sizes = [len(manifest.to_json()), *(each.size for each in manifest.members)]
    return sum(BLOCK + size + len(_padding(size)) for size in sizes) + 2 * BLOCK


def unpack(file: Path, root: Path) -> Manifest:
    """Unpack a backup below `root` and hold every file against the manifest.

    Raises BadArchive where a part is absent, cut, changed or not listed.
    """
    with file.open("rb") as content:
        return _walk(content, root)


def verified(content: Source) -> Manifest:
    """Hold every part of a backup against its manifest, in one go from front to end.

    Raises BadArchive as `unpack` does.
    """
    manifest = _walk(content, None)
    while content.read(CHUNK):  # what a tar ends in
        pass
    return manifest


def _walk(content: Source, root: Path | None) -> Manifest:
    try:
        with tarfile.open(fileobj=content, mode="r|", bufsize=CHUNK) as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or not _is_plain(first, LONGEST_MANIFEST):
                message = f"it does not begin with {MANIFEST}, so it is no backup"
                raise BadArchive(message)
            manifest = Manifest.from_json(_read(tar, first))
            expected = {each.name: each for each in manifest.members}
            while (found := tar.next()) is not None:
                listed = expected.pop(found.name, None)
                if (
                    listed is None
                    or not _is_plain(found, listed.size)
                    or not PLACE.fullmatch(found.name)
                ):
                    message = f"{found.name[:100]!a} is not a part that the manifest lists"
                    raise BadArchive(message)
                _check(tar, found, listed, None if root is None else root / found.name)
    except (tarfile.TarError, EOFError) as error:
        message = "it is cut or no tar"
        raise BadArchive(message) from error
    if expected:
        message = f"{next(iter(expected))} is missing, and {len(expected) - 1} more"
        raise BadArchive(message)
    return manifest


def _is_plain(found: tarfile.TarInfo, most: int) -> bool:
    """Tell whether this is a file of so many bytes; one with holes has more than it brings."""
    return found.isreg() and not found.issparse() and found.size <= most


def _check(
    tar: tarfile.TarFile, found: tarfile.TarInfo, listed: Member, target: Path | None
) -> None:
    """Read one part, into its place if it has one, and compare size and hash."""
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    source = tar.extractfile(found)
    assert source is not None
    with source, (target or Path(os.devnull)).open("wb") as out:
        while piece := source.read(CHUNK):
            size += len(piece)
            digest.update(piece)
            out.write(piece)
    if (size, digest.hexdigest()) != (listed.size, listed.sha256):
        message = f"{found.name} is damaged: its hash is not the one in {MANIFEST}"
        raise BadArchive(message)


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    assert file is not None
    with file:
        return file.read()


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info.tobuf(tarfile.USTAR_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)
