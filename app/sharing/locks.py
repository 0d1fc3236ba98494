"""Locks between processes of one machine, which the kernel opens when their holder ends.

They are `flock`'s: nothing that is killed leaves one behind. Not for volumes that several machines
mount at once.
"""

import fcntl
import os
import threading
from pathlib import Path


class FileLock:
    """A lock on a file; two of the same file exclude each other, within a process too."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.held = False

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free now; return whether it is held."""
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.held = True
        return True

    def wait(self) -> None:
        """Take the lock as soon as it is free; blocks."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.held = True

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self.held = False

    def close(self) -> None:
        """Release it for good."""
        os.close(self._file)
        self.held = False


class SharedLock:
    """A lock among the threads of all processes: `with lock:`."""

    def __init__(self, path: Path) -> None:
        self._threads = threading.Lock()
        self._processes = FileLock(path)

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            self._processes.wait()
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._processes.release()
        self._threads.release()
