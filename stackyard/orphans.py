"""Processes that outlived the engine which started them: a provider that still makes a cluster."""

import os
import signal
import time
from pathlib import Path

GRACE_SECONDS = 10.0


def end_orphans(mark: str) -> int:
    """End every process whose environment has the mark NAME=VALUE; return how many there were."""
    found = _marked(mark)
    for pid in found:
        _send(pid, signal.SIGTERM)
    end = time.monotonic() + GRACE_SECONDS
    while (left := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in left:
        _send(pid, signal.SIGKILL)
    return len(found)


def _marked(mark: str) -> list[int]:
    wanted = mark.encode()
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if wanted in environment.split(b"\0") and int(folder.name) != os.getpid():
            pids.append(int(folder.name))
    return pids


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
