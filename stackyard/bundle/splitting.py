"""A bundle as parts of a size that media take: one tar, cut; `cat` and `tar` join them again."""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from typing_extensions import Buffer

from stackyard.errors import Trouble

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SMALLEST = 1 << 16
SUMS = "checksums.txt"


def size_of(text: str) -> int:
    """Return bytes of 4.7G, 700M, 25000000. Raises Trouble for other texts."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)B?", text.strip().upper())
    size = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if size < SMALLEST:
        message = f"--split is {text!r}: it must be a size of at least {SMALLEST} bytes"
        raise Trouble(message, "--split 4.7G")
    return size


class _Parts(io.RawIOBase):
    """A file to write to that begins a new part when one is full."""

    def __init__(self, folder: Path, name: str, size: int) -> None:
        super().__init__()
        self._folder, self._name, self._size = folder, name, size
        self._file: IO[bytes] | None = None
        self._left = 0
        self._hash = hashlib.sha256()
        self.paths: list[Path] = []
        self.sums: list[str] = []

    def write(self, content: Buffer) -> int:
        """Write all of it, into as many parts as that takes."""
        view = memoryview(content)
        length = len(view)
        while view:
            if self._file is None or not self._left:
                self._file = self._next()
            piece = view[: self._left]
            self._file.write(piece)
            self._hash.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]
        return length

    def _next(self) -> IO[bytes]:
        self.finish()
        path = self._folder / f"{self._name}.tar.part-{len(self.paths) + 1:03}"
        self.paths.append(path)
        self._left = self._size
        self._hash = hashlib.sha256()
        return path.open("wb")

    def finish(self) -> None:
        """Close the part that is being written."""
        if self._file is not None:
            self._file.close()
            self.sums.append(self._hash.hexdigest())
            self._file = None


def split(folder: Path, size: int, tell: Callable[[str], None]) -> list[Path]:
    """Write FOLDER.parts/NAME.tar.part-001 and so on, and checksums.txt over them."""
    folder = folder.resolve()
    target = folder.with_name(f"{folder.name}.parts")
    target.mkdir(exist_ok=True)
    for old in target.glob("*"):
        old.unlink()
    parts = _Parts(target, folder.name, size)
    with tarfile.open(fileobj=parts, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            archive.add(file, str(file.relative_to(folder)))
            tell(f"part {len(parts.paths)}")
    parts.finish()
    lines = [f"{s}  {path.name}" for s, path in zip(parts.sums, parts.paths, strict=True)]
    (target / SUMS).write_text("\n".join(lines) + "\n")
    return parts.paths


def problem_with(folder: Path) -> str | None:
    """Return what is wrong with the parts in a folder; None: they can be joined."""
    for line in (folder / SUMS).read_text().splitlines():
        wanted, name = line.split("  ", 1)
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                return f"{folder / name} is cut off or damaged"
    return None
