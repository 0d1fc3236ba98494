"""A real app between lines that can fail, with the doubles of the models and of Qdrant behind."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.chaos.line import Line
from tests.fakes.nim import FakeNim

WAIT = 60.0  # seconds, the most
PLACES = {"Borduria": "Szohod", "Syldavia": "Klow", "Ruritania": "Strelsau", "Genovia": "Pyrus"}


@dataclass
class Yard:
    """The app, and the line to each service; `llm` is another model server than `retrieval`."""

    app: AppProcess
    nim: FakeNim
    qdrant: FakeQdrant
    llm: Line
    embedding: Line
    ranking: Line
    store: Line

    def ask(self, number: int = 0, seconds: float = 60.0) -> httpx.Response:
        """Ask one of the questions that have an answer here."""
        place = list(PLACES)[number % len(PLACES)]
        body = {"question": f"What is the capital of {place}?"}
        with self.app.client(timeout=seconds) as client:
            return client.post("/query/run", json=body)

    def search(self) -> httpx.Response:
        """Search, which needs no language model."""
        with self.app.client() as client:
            return client.post("/v1/search", json={"query": "capital of Borduria"})

    def missing(self) -> list[str]:
        """Return what /readyz names."""
        reply = httpx.get(f"{self.app.url}/readyz", timeout=30)
        return [each["name"] for each in reply.json().get("missing", [])]

    def many(self, count: int, at_once: int = 8) -> list[httpx.Response]:
        """Ask so many questions, some at once."""
        with ThreadPoolExecutor(at_once) as threads:
            return list(threads.map(self.ask, range(count)))


def is_right(response: httpx.Response) -> bool:
    """Whether this is an answer that cites one of the places."""
    return response.status_code == 200 and any(
        city in response.json()["answer"] for city in PLACES.values()
    )


def seconds_until(look: Callable[[], bool], most: float = WAIT) -> float:
    """Return how long it takes until something is so; `most` where it never is."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < most:
        if look():
            return passed
        time.sleep(0.05)
    return most


@contextmanager
def yard(
    folder: Path,
    *,
    store_url: str | None = None,
    store_name: str = "127.0.0.1",
    models_url: str | None = None,
    group: Path | None = None,
    prefix: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[Yard]:
    """Start all of it with four documents indexed, and end it.

    `store_url` and `models_url` are of others than the doubles in this process, `group` is the
    entrance of the app's cgroup, `prefix` runs it, and `store_name` is what it calls Qdrant.
    """
    with ExitStack() as stack:
        nim = stack.enter_context(FakeNim())
        qdrant = stack.enter_context(FakeQdrant())
        lines = [stack.enter_context(Line(models_url or nim.url, seed=seed)) for seed in (1, 2, 3)]
        store = stack.enter_context(Line(store_url or qdrant.url, seed=4))
        llm, embedding, ranking = lines
        urls = {
            "RAG_LLM_URL": llm.url,
            "RAG_EMBEDDING_URL": embedding.url,
            "RAG_RANKING_URL": ranking.url,
            "RAG_QDRANT_URL": store.url.replace("127.0.0.1", store_name),
        }
        settings = urls | environment
        app = AppProcess(folder, nim, qdrant, environment=settings, group=group, prefix=prefix)
        stack.callback(app.stop)
        app.start()
        for place, city in PLACES.items():
            app.indexed(f"{place}.txt", f"The capital of {place} is {city}.".encode())
        yield Yard(app, nim, qdrant, llm, embedding, ranking, store)
