"""Which processes work on a data folder: a file of each, locked for as long as it lives."""

import secrets
from pathlib import Path

from app.sharing.locks import FileLock, SharedLock


class Presence:
    """This process among the others; what carries its token belongs to it."""

    def __init__(self, root: Path) -> None:
        self._root, self._folder = root, root / "processes"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.token = secrets.token_hex(8)
        self.file = self._folder / self.token
        # Else another might find the file before it is locked.
        self._changing = SharedLock(root / "locks" / "processes")
        with self._changing:
            self._lock = FileLock(self.file)
            self._lock.wait()

    def ended(self) -> list[Path]:
        """Return the files of processes that are gone; who has dealt with one removes it."""
        # The one file is of a version that was alone on its data.
        with self._changing:
            files = [*self._root.glob("audit-head"), *sorted(self._folder.iterdir())]
            return [file for file in files if self._is_gone(file)]

    def is_alive(self, token: str) -> bool:
        """Whether a process is there that has this token."""
        with self._changing:
            path = self._folder / token
            return path.is_file() and not self._is_gone(path)

    def _is_gone(self, path: Path) -> bool:
        if path == self.file:
            return False
        lock = FileLock(path)
        try:
            return lock.take()
        finally:
            lock.close()
