"""A backup file as the operator's command sees it: held against its own list of hashes.

The service has its own check (app/backup/), before it takes a file. A sealed backup is opened by
the service alone, which has the keys: here its hash is looked at (app/backup/sealing.py).
"""

import hashlib
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from stackyard.errors import Trouble
from stackyard.replies import Json

MANIFEST = "manifest.json"
CHUNK = 2**20
SEALED = b"stackyard sealed 1\n"
ID, SALT, LENGTH, PIECE, TAG, DIGEST = 8, 32, 8, 2**20, 16, 32
HEAD = len(SEALED) + ID + SALT + LENGTH


@dataclass(frozen=True)
class Archive:
    """What a backup holds."""

    created: str
    model: str
    dimension: int
    documents: int
    points: int
    since: str | None = None  # the mark of the backup that it goes on from

    def as_json(self) -> Json:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.documents} document(s), {self.points} chunks"


@dataclass(frozen=True)
class SealedArchive:
    """A backup that only a service with its key can read; `key` tells keys apart."""

    key: str

    def as_json(self) -> Json:
        return asdict(self)

    def __str__(self) -> str:
        return f"sealed with key {self.key}"


class _Member(BaseModel):
    name: str
    sha256: str


class _Manifest(BaseModel):
    created: str
    model: str
    dimension: int
    documents: int
    points: dict[str, int]
    members: list[_Member]
    since: str | None = None


def checked(file: Path) -> Archive | SealedArchive:
    """Return what a backup holds, after every part of it was read and found whole.

    Raises Trouble with the part that is cut, damaged or absent.
    """
    with file.open("rb") as content:
        if content.read(len(SEALED)) == SEALED:
            return _sealed(file, content)
    return _plain(file)


def _sealed(file: Path, content: IO[bytes]) -> SealedArchive:
    """Compare a sealed backup, which is read from behind its first bytes, with its own hash."""
    head = content.read(HEAD - len(SEALED))
    size = int.from_bytes(head[ID + SALT :], "big")
    left = size + -(-size // PIECE) * TAG
    digest = hashlib.sha256(SEALED + head)
    while left and (piece := content.read(min(CHUNK, left))):
        digest.update(piece)
        left -= len(piece)
    if content.read(DIGEST) != digest.digest() or content.read(1):
        raise _damaged(file, "its end, or before")
    return SealedArchive(head[:ID].hex())


def _plain(file: Path) -> Archive:
    try:
        with tarfile.open(file, "r:") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST:
                message = f"{file} is no backup: it does not begin with {MANIFEST}"
                raise Trouble(message, "name what `stackyard backup` wrote")
            manifest = _Manifest.model_validate_json(_opened(tar, first).read())
            expected = {each.name: each.sha256 for each in manifest.members}
            while (found := tar.next()) is not None:
                if expected.pop(found.name, None) != _digest(_opened(tar, found)):
                    raise _damaged(file, found.name)
    except (tarfile.TarError, EOFError, ValueError):
        raise _damaged(file, "its end") from None
    if expected:
        raise _damaged(file, next(iter(expected)))
    return Archive(
        created=manifest.created,
        model=manifest.model,
        dimension=manifest.dimension,
        documents=manifest.documents,
        points=sum(manifest.points.values()),
        since=manifest.since,
    )


def _damaged(file: Path, part: str) -> Trouble:
    shown = part.encode("ascii", "backslashreplace").decode()  # any terminal can hold it
    return Trouble(f"{file} is damaged at {shown}", "take another backup, or copy the file again")


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info) if info.isreg() and not info.issparse() else None
    if file is None:
        message = f"{info.name} is not a file"
        raise tarfile.TarError(message)
    return file


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(CHUNK):
        digest.update(piece)
    return digest.hexdigest()
