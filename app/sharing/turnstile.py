"""Jobs pass it one by one; whoever needs all of them at rest closes it and waits until it is empty.

It stands between all processes of a data folder, and opens when who closed it dies.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.sharing.locks import FileLock

LOOK_SECONDS = 0.02
TRY_SECONDS = 1.0  # a job on its way in holds the gate for microseconds


class Closed(Exception):
    """Another one has closed it already."""


class Turnstile:
    """Two locks: the gate, shared by a job on its way in, and the hall, shared by jobs inside."""

    def __init__(self, root: Path) -> None:
        self._paths = root / "locks" / "gate", root / "locks" / "hall"
        self._gate, self._hall = map(FileLock, self._paths)
        self._lock = threading.Lock()
        self.inside = 0

    def enter(self) -> bool:
        """Go in, unless it is closed; whoever went in leaves."""
        with self._lock:
            if not self._gate.take(shared=True):
                return False
            try:
                if self.inside == 0 and not self._hall.take(shared=True):
                    return False
                self.inside += 1
                return True
            finally:
                self._gate.release()

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1
            if self.inside == 0:
                self._hall.release()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator["Hall"]:
        """Let nobody in meanwhile, in any process. Raises Closed."""
        gate, hall = map(FileLock, self._paths)
        try:
            if not await _taken(gate, TRY_SECONDS):
                raise Closed
            yield Hall(hall)
        finally:
            hall.close()
            gate.close()


class Hall:
    """What is behind a closed turnstile."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    async def empty(self, seconds: float) -> None:
        """Wait until nobody is inside. Raises TimeoutError."""
        if not await _taken(self._lock, seconds):
            raise TimeoutError


async def _taken(lock: FileLock, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not lock.take():
        if loop.time() >= until:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True
