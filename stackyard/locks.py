"""Who holds a stack: the locks that the engine writes into a backend that is a folder."""

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lock:
    """Who holds the stack, as the engine's file backend wrote it down."""

    pid: int
    host: str

    @property
    def is_alive(self) -> bool:
        """Say whether its process still runs; one on another machine counts as alive."""
        if self.host != socket.gethostname():
            return True
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return b"pulumi" in os.path.basename(command.split(b"\0")[0])  # noqa: PTH119 - bytes


def locks_in(folder: Path) -> list[Lock]:
    """Return the locks of one stack; none where the folder is not there."""
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> Lock:
    try:
        content = json.loads(path.read_text())
        return Lock(int(content["pid"]), str(content["hostname"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Lock(0, socket.gethostname())  # cut off while it was written: its writer is dead
