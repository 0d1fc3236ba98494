"""Folders of what was built or downloaded, named by content and checked before each use."""

import contextlib
import errno
import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolUnavailable
from tools.paths import cache_dir
from tools.progress import say

MANIFEST = ".manifest.json"
_held: set[Path] = set()


@dataclass(frozen=True)
class Entry:
    """A folder that is whole, and how its content was had."""

    folder: Path
    way: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A folder of the cache: its name, the key of all that goes into it, and how it is made.

    `make` fills an empty folder and returns the way in a few words.
    """

    name: str
    key: str
    make: Callable[[Path], str]

    @property
    def folder(self) -> Path:
        return cache_dir() / "tools" / f"{self.name}-{self.key}"

    def find(self) -> Entry | None:
        """Return the entry if it is there and whole; unchanged times spare the reading."""
        try:
            manifest = json.loads((self.folder / MANIFEST).read_text())
            files, way = manifest["files"], str(manifest["way"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = all(_is_whole(self.folder / name, stamp) for name, stamp in files.items())
        return Entry(self.folder, way) if whole else None

    def ensure(self) -> Entry:
        """Return the entry, made where it is absent or damaged.

        It appears whole or not at all; of two runs at once, one makes it and the other waits.
        """
        found = self.find()
        if found:
            return found
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.exists():
            say(f"{self.folder} is damaged and is made anew")
        try:
            with _locked(self.folder.parent / f".{self.folder.name}.lock", self.name):
                return self.find() or self._made()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            message = (
                f"the disk of {self.folder.parent} is full, {self.name} could not be made\n"
                "hint: free 5 GB there, or set STACKYARD_CACHE to a folder on another disk, "
                "then: make tools"
            )
            raise ToolUnavailable(message) from error

    def _made(self) -> Entry:
        prefix = f".{self.folder.name}."
        for left in self.folder.parent.glob(f"{prefix}*"):  # of a run that was killed
            if left.is_dir():
                shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=prefix) as scratch:
            work = Path(scratch, "work")
            work.mkdir()
            way = self.make(work)
            files = {str(f.relative_to(work)): _stamp(f) for f in _files(work)}
            (work / MANIFEST).write_text(json.dumps({"way": way, "files": files}))
            if self.folder.exists():
                shutil.rmtree(self.folder)
            work.rename(self.folder)
        return Entry(self.folder, way)


def content_key(*parts: str | Path) -> str:
    """Return a short hash of texts, files and of all files below folders."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode() + b"\0")
            continue
        for file in _files(part) if part.is_dir() else [part]:
            name = str(file.relative_to(part.parent))
            digest.update(f"{name}\0{sha256_of(file)}\0".encode())
    return digest.hexdigest()[:16]


def sha256_of(file: Path) -> str:
    """Return the hex sha256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return [f for f in sorted(folder.rglob("*")) if f.is_file() and not f.is_symlink()]


def _stamp(file: Path) -> list[int | str]:
    found = file.stat()
    return [found.st_size, found.st_mode, found.st_mtime_ns, sha256_of(file)]


def _is_whole(file: Path, stamp: list[int | str]) -> bool:
    size, mode, modified, sha256 = stamp
    try:
        found = file.stat()
    except OSError:
        return False
    if (found.st_size, found.st_mode) != (size, mode):
        return False
    return found.st_mtime_ns == modified or sha256_of(file) == sha256


@contextlib.contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    if path in _held:  # flock would wait for ourselves, for ever
        message = f"the recipe of {name} needs itself"
        raise RuntimeError(message)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another run that makes {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
