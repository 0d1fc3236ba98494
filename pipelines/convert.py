"""Any supported file to pages of text, or the reason why not.

The reading happens in a process of its own with limits on time and memory: one upload that sends
a parser into a loop costs that upload and nothing else, where the machine has the memory of as many
as read at once. Nothing is pulled from the network.
"""

import atexit
import functools
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from pipelines.reading.kinds import KINDS, SITE, kind_of, unknown
from pipelines.reading.limits import AT_ONCE, Limits
from pipelines.reading.page import (
    Finding,
    Page,
    Reading,
    UnreadableDocument,
    Verdict,
    pages_from_json,
)

__all__ = [
    "KINDS",
    "SITE",
    "Limits",
    "Page",
    "Readers",
    "Reading",
    "ReadingKilled",
    "UnreadableDocument",
    "kind_of",
    "read_document",
]

ROOT = Path(__file__).parents[1]

# The reading process ends itself; this is for one that cannot.
GRACE = 5.0


class ReadingKilled(Exception):
    """What read a file was killed from outside: with its node, or by the kernel for memory.

    It says nothing of the file the first time; another try may read it.
    """

    def __init__(self) -> None:
        super().__init__("what read the file was killed")


def read_document(path: Path, name: str, limits: Limits | None = None) -> Reading:
    """Return what the file at `path` holds; `name` is what its owner calls it.

    Blocks until the file is read: call it from a thread. Raises UnreadableDocument, ReadingKilled.
    """
    return _shared().read(path, name, limits or Limits())


@functools.cache
def _shared() -> "Readers":
    readers = Readers()
    atexit.register(readers.close)
    return readers


class Readers:
    """Reading processes: one for each file that is being read, kept for the next."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._free = threading.BoundedSemaphore(at_once)
        self._alone = threading.Lock()
        self._lock = threading.Lock()
        self._idle: list[_Reader] = []
        self._closed = False

    def read(
        self,
        path: Path,
        name: str,
        limits: Limits,
        *,
        alone: bool = False,
        watched: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Reading:
        """Return what the file holds, or raise UnreadableDocument or ReadingKilled.

        `alone` waits until nothing else is read, and lets nothing else begin. `watched` is entered
        where the reading itself begins, and left at its end.
        """
        # These two are told without a process.
        if kind_of(name) is None:
            raise unknown(name)
        if not path.stat().st_size:
            raise UnreadableDocument(kind="empty", reason="the file is empty (0 bytes)")
        with self._one(self._at_once if alone else 1) as reader, watched():
            return reader.read(path, name, limits)

    def draw(self, path: Path, name: str, page: int, limits: Limits) -> bytes:
        """Return a page of a PDF as a PNG, or raise UnreadableDocument or ReadingKilled."""
        with self._one() as reader:
            return reader.draw(path, name, page, limits)

    @contextmanager
    def turn(self, places: int = 1) -> Iterator[None]:
        """Wait for places, and hold them: for what takes as much memory as a reading."""
        with self._alone:  # two that each hold one place would wait for the other's
            for _ in range(places):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(places)

    @contextmanager
    def _one(self, places: int = 1) -> "Iterator[_Reader]":
        with self.turn(places):
            with self._lock:
                reader = self._idle.pop() if self._idle else _Reader()
            try:
                yield reader
            finally:
                self._keep(reader)

    def close(self) -> None:
        """End the processes that are idle; those that read end after their file."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()

    def _keep(self, reader: "_Reader") -> None:
        with self._lock:
            if not self._closed and reader.alive:
                self._idle.append(reader)
                return
        reader.close()


class _Reader:
    """One process of pipelines.reading and the memory in which it answers."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("reading")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.reading", str(self._memory)],
            cwd=ROOT,  # `-m` finds this package whether or not it is installed
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._memory],
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def read(self, path: Path, name: str, limits: Limits) -> Reading:
        self._ask(path, name, limits)
        return _reading(orjson.loads(self._answer()))

    def draw(self, path: Path, name: str, page: int, limits: Limits) -> bytes:
        self._ask(path, name, limits, draw=page)
        return self._answer()

    def _ask(self, path: Path, name: str, limits: Limits, draw: int | None = None) -> None:
        request: dict[str, Any] = {"path": str(path.resolve()), "name": name, "draw": draw}
        request["limits"] = asdict(limits)
        request["site"] = {ending: str(file) for ending, file in SITE.items()}
        os.ftruncate(self._memory, 0)
        os.lseek(self._memory, 0, os.SEEK_SET)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ReadingKilled from error
        ready, _, _ = select.select([self._process.stdout], [], [], limits.seconds + GRACE)
        if not ready:
            self.close()
            raise _too_slow(limits)
        ended = self._process.stdout.readline().strip()
        if not ended:
            self.close()
        code = int(ended or str(-signal.SIGKILL))
        if code == -signal.SIGKILL:
            raise ReadingKilled
        if code in (-signal.SIGXCPU, -signal.SIGALRM):
            raise _too_slow(limits)
        if code != 0:
            what = (kind_of(name) or "").lstrip(".").upper()
            most = limits.memory // 2**20
            reason = (
                f"the {what} reader stopped on this file: it is damaged, or takes over {most} MB"
            )
            raise UnreadableDocument(kind="damaged", reason=reason)

    def close(self) -> None:
        """End the process and whatever it forked."""
        if self._memory < 0:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        os.close(self._memory)
        self._memory = -1

    def _answer(self) -> bytes:
        size = os.fstat(self._memory).st_size
        with mmap.mmap(self._memory, size, prot=mmap.PROT_READ) as shared:
            answer = shared[:]
        os.ftruncate(self._memory, 0)
        return answer


def _too_slow(limits: Limits) -> UnreadableDocument:
    reason = f"reading took more than {limits.seconds:g} seconds"
    return UnreadableDocument(kind="too-slow", reason=reason)


def _reading(answer: dict[str, Any]) -> Reading:
    if "pages" not in answer:
        raise UnreadableDocument(kind=answer["kind"], reason=answer["reason"])
    files = [Verdict(**verdict) for verdict in answer["files"]]
    findings = [Finding(**each) for each in answer["findings"]]
    return Reading(pages=pages_from_json(answer["pages"]), files=files, findings=findings)
