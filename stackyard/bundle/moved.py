"""How much of a bundle was fetched so far, and how long the rest takes."""

import threading
import time
from dataclasses import dataclass, field


@dataclass
class Moved:
    """What a run fetched: blobs and files, and their bytes."""

    blobs: int = 0
    bytes: int = 0
    total: int = 0  # bytes that were to be fetched
    started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int, *, blobs: int = 0) -> None:
        with self._lock:
            self.bytes += size
            self.blobs += blobs

    def line(self) -> str:
        """Return how far it is and how long the rest takes."""
        rate = self.bytes / max(time.monotonic() - self.started, 0.001)
        left = max(self.total - self.bytes, 0) / rate if rate else 0
        return (
            f"{self.bytes / 1e6:.0f} of {self.total / 1e6:.0f} MB, {rate / 1e6:.0f} MB/s, "
            f"about {left:.0f} s left"
        )
