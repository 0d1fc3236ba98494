"""A backup that was taken and lies ready to be sent, sealed on its way out."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.backup.archive import Manifest, size_of, written
from app.backup.sealing import PLAIN, SEALED, Key, sealed, sealed_size


@dataclass(frozen=True)
class Held:
    """A backup that lies ready; `close` gives its disk space back."""

    manifest: Manifest
    root: Path
    key: Key | None  # it is sealed with

    @property
    def suffix(self) -> str:
        """Return what the name of the file ends in."""
        return PLAIN if self.key is None else SEALED

    def size(self) -> int:
        """Return how many bytes the file has."""
        size = size_of(self.manifest)
        return size if self.key is None else sealed_size(size)

    def pieces(self) -> Iterator[bytes]:
        """Yield the file, piece by piece."""
        plain = written(self.root, self.manifest)
        return plain if self.key is None else sealed(plain, size_of(self.manifest), self.key)

    def close(self) -> None:
        """Remove what was kept for it."""
        shutil.rmtree(self.root, ignore_errors=True)
