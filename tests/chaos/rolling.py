"""An app that is replaced by another on its data, again and again, while callers go on."""

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import httpx

from tests.app.process import KEY, AppProcess
from tests.chaos.line import Line
from tests.chaos.seen import Seen
from tests.chaos.yard import PLACES, Yard, is_right, yard

REQUESTS = 1000  # during each update
CALLERS = 6
LAG_SECONDS = 0.5  # until callers are led elsewhere
LEAVE_SECONDS = 2


class Callers:
    """Threads that ask, each over one connection, until they are told to stop; no second tries."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count()
        self._stopping = threading.Event()
        self.failed: Counter[str] = Counter()
        self.right = self.streams = 0
        self.jobs: list[str] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=60) as client:
            while not self._stopping.is_set():
                try:
                    self._one(client, next(self._numbers))
                except httpx.TransportError as error:
                    with self._lock:
                        self.failed[type(error).__name__] += 1

    def wait_for(self, requests: int) -> None:
        while self.right + self.failed.total() < requests:
            time.sleep(0.05)

    def stop(self) -> None:
        self._stopping.set()

    def _one(self, client: httpx.Client, number: int) -> None:
        place = list(PLACES)[number % len(PLACES)]
        body = {"question": f"What is the capital of {place}?", "stream": number % 10 == 0}
        if number % 50 == 1:
            content = f"The {number}th pump is blue.".encode()
            reply = client.post("/v1/documents", files={"file": (f"{number}.txt", content)})
            good = reply.status_code == 202
            if good:
                self.jobs.append(reply.json()["jobs"][0]["id"])
        else:
            reply = client.post("/query/run", json=body)
            streams = body["stream"]
            good = "[DONE]" in reply.text if streams else is_right(reply)
        with self._lock:
            if good:
                self.right += 1
                self.streams += number % 10 == 0
            else:
                self.failed[f"status {reply.status_code}"] += 1


def rolling_update(folder: Path, scale: int) -> Seen:
    """Each update: a second app on the same data, then SIGTERM to the first, under load."""
    with ExitStack() as stack:
        it = stack.enter_context(yard(folder, RAG_LEAVE_SECONDS=str(LEAVE_SECONDS)))
        it.nim.token_delay = 0.02
        front = stack.enter_context(Line(it.app.url))
        callers = Callers(front.url)
        threads = stack.enter_context(ThreadPoolExecutor(CALLERS))
        stack.callback(callers.stop)
        asking = [threads.submit(callers.run) for _ in range(CALLERS)]
        codes, app = [], it.app
        for number in range(scale):
            old, app = app, _another(it, folder, stack)
            front.aim(old.url, app.url)
            callers.wait_for(REQUESTS * number + REQUESTS // 2)
            old.process.send_signal(signal.SIGTERM)
            time.sleep(LAG_SECONDS)
            front.aim(app.url)
            codes.append(old.stop())
            callers.wait_for(REQUESTS * (number + 1))
        callers.stop()
        for each in asking:
            each.result()
        ended = Counter(str(app.job(job)["status"]) for job in callers.jobs)
    asked, failed = callers.right + callers.failed.total(), callers.failed.total()
    kept = not failed and not any(codes) and set(ended) == {"done"}
    why = f" ({dict(callers.failed)})" if failed else ""
    said = (
        f"{scale} updates: {failed} of {asked} requests failed{why}, {callers.streams} streams"
        f" whole, uploads {dict(ended)}"
    )
    return Seen(kept, said, {"updates": scale, "requests": asked, "failed": failed})


def _another(it: Yard, folder: Path, stack: ExitStack) -> AppProcess:
    app = AppProcess(folder, it.nim, it.qdrant, environment=it.app.environment)
    stack.callback(app.stop)
    return app.start()
