"""Put the engine's write-ahead log on the disk, once for all writers that wait together."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Condition


def sync_log(directory: Path, settled: set[int]) -> None:
    """Sync the log's segments; `settled` remembers the closed ones, which change no more.

    The engine writes its log through a memory map and leaves it to the kernel. That survives a
    killed process, not a lost machine; this takes 0.5 ms, its own flush() 30 ms at 20 000 points.
    """
    for path in directory.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            inode = os.fstat(handle).st_ino
            if inode in settled:
                continue
            os.fdatasync(handle)
            if path.name.startswith("closed-"):
                settled.add(inode)
        finally:
            os.close(handle)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class GroupCommit:
    """Let one waiting writer sync for all that wrote before it started."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._changed = Condition()
        self._written = 0
        self._synced = 0
        self._running = False

    def ticket(self) -> int:
        """Number a write that is in the log but perhaps not on the disk."""
        with self._changed:
            self._written += 1
            return self._written

    def wait(self, ticket: int) -> None:
        """Return once the write is on the disk."""
        with self._changed:
            while self._running and self._synced < ticket:
                self._changed.wait()
            if self._synced >= ticket:
                return
            self._running = True
            reached = self._written
        done = False
        try:
            self._sync()
            done = True
        finally:
            with self._changed:
                self._running = False
                if done:
                    self._synced = reached
                self._changed.notify_all()
