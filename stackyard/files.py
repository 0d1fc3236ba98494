"""A document to be sent, wherever it lies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """A file and the name that the service will know it by."""

    path: Path
    name: str

    def size(self) -> int:
        """Return its size in bytes. Raises OSError."""
        return self.path.stat().st_size

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Lend it as a file of this machine. Raises OSError."""
        yield self.path

    def __str__(self) -> str:
        return str(self.path)
