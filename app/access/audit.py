"""Who did what, and which documents were cited: one JSON line each, chained by hashes.

A line's `hash` is the SHA-256 of the line without it, in JSON with sorted keys and no white space;
`prev` is the hash of the line before. So a line that was changed, dropped or moved shows. A cut end
shows by what is kept elsewhere: the head stands in the metrics, which are scraped from outside, and
on the data volume, from where another process takes it into a line once this one has ended.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from app.access.identity import Visit
from app.log import write as write_line

START = "0" * 64
HEAD_DIGITS = 12  # of the hash, as a number: a gauge holds 53 bits exactly


class Audit:
    """One chain; use it from one thread."""

    def __init__(
        self,
        head_file: Path,
        *,
        questions: bool = False,
        replica: str | None = None,
        write: Callable[[bytes], None] = write_line,
    ) -> None:
        self._questions = questions
        self._write = write
        # A new process is a new chain, whatever the pod is called.
        self.replica = replica or f"{os.uname().nodename}-{secrets.token_hex(4)}"
        self.lines = 0
        self.head = START
        self._head = os.open(head_file, os.O_RDWR | os.O_CREAT, 0o600)
        self._add({"action": "started"})

    def follow(self, head: str) -> None:
        """Note the last head of a process that has ended, as its file holds it."""
        self._add({"action": "followed", "follows": head})

    def record(
        self, visit: Visit | None, *, method: str, route: str, status: int, request: str,
        address: str,
    ) -> None:  # fmt: skip
        """Write down a request that needed a caller, or a sign-in; no `visit`: it had no key."""
        line: dict[str, object] = {
            "action": f"{method} {route}",
            "status": status,
            "request": request,
            "address": address,
        }
        if visit is not None and (who := visit.identity) is not None:
            line |= {
                "who": who.subject,
                "via": who.via,
                "credential": who.credential,
                "role": who.role,
            }
            if visit.cited:
                line["cited"] = visit.cited
            if visit.object:
                line["object"] = visit.object
            if self._questions and visit.question is not None:
                line["question"] = visit.question
        self._add(line)

    def gauges(self) -> tuple[float, float]:
        """Return how many lines there are and the head's first digits, as they belong together."""
        return float(self.lines), float(int(self.head[:HEAD_DIGITS], 16))

    def close(self) -> None:
        os.close(self._head)

    def _add(self, line: dict[str, object]) -> None:
        self.lines += 1
        line |= {
            "event": "audit",
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "replica": self.replica,
            "n": self.lines,
            "prev": self.head,
        }
        text = orjson.dumps(line, option=orjson.OPT_SORT_KEYS)
        self.head = hashlib.sha256(text).hexdigest()
        self._write(text[:-1] + b',"hash":"' + self.head.encode() + b'"}')
        os.pwrite(self._head, f"{self.replica} {self.lines} {self.head}\n".encode(), 0)
