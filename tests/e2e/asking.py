"""Callers who ask without a pause, each over one connection, while something else happens."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

CALLERS = 3
PAUSE_SECONDS = 0.1  # a laptop has two cores for callers, models and what happens


@dataclass
class Asked:
    """What the callers got; `failed` says what instead of a 200."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def asking(service: httpx.Client, query: str) -> Iterator[Asked]:
    """Search without a pause until the block ends."""
    asked, stopping, lock = Asked(), threading.Event(), threading.Lock()

    def run() -> None:
        with httpx.Client(base_url=service.base_url, headers=service.headers, timeout=60) as client:
            while not stopping.wait(PAUSE_SECONDS):
                began = time.monotonic()
                try:
                    reply = client.post("/v1/search", json={"query": query})
                    said = "" if reply.is_success else f"{reply.status_code} {reply.text}"
                except httpx.TransportError as error:
                    said = f"{error!r} after {time.monotonic() - began:.1f} s"
                with lock:
                    asked.answered += not said
                    asked.failed += [said] if said else []

    callers = [threading.Thread(target=run) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield asked
    finally:
        stopping.set()
        for caller in callers:
            caller.join()
