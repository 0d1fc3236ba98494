"""Read files in processes of their own, so that a hostile one can be killed.

Started once by pipelines.convert. Each line on stdin is a request; for each a fork reads the file
under limits that it cannot lift, writes its answer into the shared memory whose number is the
argument, and ends. What the fork's end was goes to stdout: the libraries are loaded once, and no
file ever meets a process that read another.
"""

import contextlib
import ctypes
import json
import logging
import os
import resource
import signal
import sys
import warnings
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import orjson

from pipelines.reading.injection import examined
from pipelines.reading.kinds import (
    ARCHIVES,
    MAILS,
    READERS,
    SITE,
    failed,
    kind_of,
    read,
)
from pipelines.reading.limits import Limits
from pipelines.reading.page import Reading, UnreadableDocument, pages_to_json

# mallopt's numbers of what glibc keeps of freed memory, asks for beyond what is needed, and maps
# by itself; the kernel took a fifth of a PDF's time to give, and be given back, the same pages.
KEPT = {-1: 2**28, -2: 2**20, -3: 2**25}
OUT_OF_MEMORY = "the file needs too much memory to be read"


def main(memory: int) -> None:
    """Answer requests until stdin ends."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    _keep_memory()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        limits = Limits(**request["limits"])
        SITE.update({ending: Path(file) for ending, file in request["site"].items()})
        _load(request["name"])
        child = os.fork()
        if child == 0:
            _child(memory, request["path"], request["name"], limits, request["draw"])
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _keep_memory() -> None:
    """Let freed memory stay: a fork ends after its file, and all of it goes back then."""
    with contextlib.suppress(OSError, AttributeError):  # another libc
        libc = ctypes.CDLL(None)
        for what, size in KEPT.items():
            libc.mallopt(what, size)


def _load(name: str) -> None:
    """Import the reader before the fork: every later file of its kind finds it there."""
    place = {**READERS, **MAILS, **ARCHIVES}.get(kind_of(name) or "")
    if place:
        import_module(f"pipelines.reading.{place.partition(':')[0]}")


def _child(memory: int, path: str, name: str, limits: Limits, draw: int | None) -> None:
    """Read the file, or draw a page of it, and end the process: the kernel keeps the limits."""
    code = 1
    try:
        seconds = max(1, int(limits.seconds + 0.999))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.setitimer(signal.ITIMER_REAL, limits.seconds)
        with os.fdopen(os.dup(memory), "wb") as file:
            if draw is not None:
                # Loaded before the fork, as the reader of PDFs.
                file.write(import_module("pipelines.reading.pdf").draw_page(Path(path), draw))
            else:
                file.write(orjson.dumps(_answer(Path(path), name, limits)))
        code = 0
    finally:
        os._exit(code)


def _answer(path: Path, name: str, limits: Limits) -> dict[str, object]:
    try:
        return _shown(read(path, name, limits))
    except UnreadableDocument as refusal:
        return {"kind": refusal.kind, "reason": refusal.reason}
    except MemoryError:
        return {"kind": "too-large", "reason": OUT_OF_MEMORY}
    except Exception as error:
        unknown = failed(name, error)
        return {"kind": unknown.kind, "reason": unknown.reason}


def _shown(reading: Reading) -> dict[str, object]:
    files = [asdict(verdict) for verdict in reading.files]
    found = [asdict(each) for each in examined(reading.pages)]
    return {"pages": pages_to_json(reading.pages), "files": files, "findings": found}


if __name__ == "__main__":
    main(int(sys.argv[1]))
