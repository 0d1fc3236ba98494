"""A node that dies with all that runs on it, in the middle of its work, and starts again."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.app.process import ROOT, until
from tests.chaos.killed import pages_in
from tests.chaos.seen import Seen
from tests.chaos.yard import Yard, is_right, seconds_until, yard
from tests.local.qdrant.serving import Serving, free_port
from tests.soak.__main__ import PAGES, text_of

FILES = 40  # uploaded before each restart
CALLERS = 2
GONE = "no connection"
# what starts first, second and third
ORDERS = (
    ("app", "models", "store"),
    ("models", "store", "app"),
    ("store", "app", "models"),
    ("models", "app", "store"),
    ("app", "store", "models"),
    ("store", "models", "app"),
)


class Models:
    """The models' double as a process of its own, on one port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.fakes.nim", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        until(self._is_there, 120)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _is_there(self) -> bool:
        try:
            return httpx.get(f"{self.url}/models").status_code == 200
        except httpx.TransportError:
            return False


class Callers:
    """Threads that ask all the while; `heard` counts what they are told."""

    def __init__(self, it: Yard) -> None:
        self._it = it
        self._ended = threading.Event()
        self.heard: Counter[str] = Counter()

    def run(self, first: int) -> None:
        number = first
        while not self._ended.is_set():
            self.heard[told(self._it, number)] += 1
            number += 1
            time.sleep(0.02)

    def end(self) -> None:
        self._ended.set()


def told(it: Yard, number: int) -> str:
    """Ask; tell what a caller hears. Nothing at all is what a node that is away says."""
    try:
        reply = it.ask(number)
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return GONE
    if reply.status_code == 503 and "Retry-After" in reply.headers:
        return "503"
    return "right" if is_right(reply) else f"{reply.status_code} {reply.text[:200]}"


class Node:
    """The processes of a stack: app, a helper of its ingestion, models, vector store."""

    def __init__(self, it: Yard, store: Serving, models: Models) -> None:
        self._it, self._store, self._models = it, store, models
        self._helper: subprocess.Popen[bytes] | None = None

    def help(self) -> None:
        """Start what takes its part of an ingestion."""
        app, nowhere = self._it.app, subprocess.DEVNULL
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "app.worker", "--idle", "1"],
            cwd=app.directory,
            env=app.variables(),
            stdout=nowhere,
            stderr=nowhere,
        )

    def die(self) -> None:
        """Kill all at once."""
        app = self._it.app.process
        running = [app, self._helper, self._store.process, self._models.process]
        for each in running:
            if each is not None and each.poll() is None:
                os.kill(each.pid, signal.SIGKILL)
        self._it.app.stop(signal.SIGKILL)
        self._models.kill()
        self._store.kill()
        if self._helper is not None:
            self._helper.wait()

    def start(self, order: Sequence[str]) -> None:
        """Start all but the helper, one after the other."""
        parts: dict[str, Callable[[], object]] = {
            "app": self._it.app.start,
            "models": self._models.start,
            "store": self._store.start,
        }
        for name in order:
            parts[name]()


def node_restarted(folder: Path, scale: int) -> Seen:
    """kill -9 of all processes under questions and an ingestion; they start in another order."""
    chance, restarts, back = random.Random(1), 2 * scale, 0.0
    jobs: dict[str, str] = {}
    port = str(free_port())  # a Service keeps its address
    with ExitStack() as stack:
        store, models = Serving(folder / "store"), Models()
        stack.callback(store.kill)
        stack.callback(models.kill)
        store.start()
        models.start()
        it = stack.enter_context(
            yard(folder, store_url=store.url, models_url=models.url, RAG_PORT=port)
        )
        node, callers = Node(it, store, models), Callers(it)
        stack.callback(node.die)
        threads = stack.enter_context(ThreadPoolExecutor(CALLERS))
        stack.callback(callers.end)
        asking = [threads.submit(callers.run, first) for first in range(CALLERS)]
        for number in range(restarts):
            names = [f"{number}-{each}.txt" for each in range(FILES)]
            reply = it.app.upload(*((name, text_of(name)) for name in names))
            jobs |= {each["name"]: each["id"] for each in reply.json()["jobs"]}
            node.help()
            time.sleep(chance.uniform(0.0, 2.0))
            node.die()
            node.start(ORDERS[number % len(ORDERS)])
            back = max(back, seconds_until(lambda: told(it, 0) == "right"))
        done = sum(it.app.job(each)["status"] == "done" for each in jobs.values())
        callers.end()
        for each in asking:
            each.result()
        held = pages_in(store.url)
    lost = sum(len(set(held.get(name, []))) < PAGES for name in jobs)
    doubled = sum(len(pages) > PAGES for name, pages in held.items() if name in jobs)
    odd = {each for each in callers.heard if each not in (GONE, "503", "right")}
    kept = not odd and done == len(jobs) and not lost and not doubled and back < 10
    said = (
        f"{restarts} restarts: callers heard {dict(callers.heard)}; back {back:.1f} s after the"
        f" last start; {done} of {len(jobs)} documents done, {lost} lost, {doubled} doubled"
    )
    figures = {"restarts": restarts, "lost": lost, "doubled": doubled, "back_after": back}
    return Seen(kept, said, figures | {"wrong": len(odd)})
