"""Engines that answer at once, or when told to, and a server around them on loopback."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import uvicorn
from starlette.applications import Starlette

from local.models.engines import Chunk, Engines, Tokens, Truncate, Vectors
from local.models.server import Server
from local.models.settings import Settings

EMBEDDING = "stackyard/all-minilm-l6-v2"
RANKING = "stackyard/minilm-lexical-ranker"
LLM = "stackyard/smollm2-135m-instruct"
SECONDS = 10


def wait_for(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@dataclass
class FakeEmbedder:
    """Points a text along the axis of its first letter; `open` lets it work."""

    max_tokens: int = 256
    open: threading.Event = field(default_factory=threading.Event)
    embedded: list[Sequence[Tokens]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open.set()

    def tokens(self, texts: Sequence[str], truncate: Truncate) -> list[Tokens]:
        return [[ord(letter) for letter in text] for text in texts]

    def embed(self, tokens: Sequence[Tokens]) -> Vectors:
        assert self.open.wait(SECONDS)
        self.embedded.append(tokens)
        vectors = np.zeros((len(tokens), 384), np.float32)
        vectors[np.arange(len(tokens)), [item[0] for item in tokens]] = 1
        return vectors


@dataclass
class FakeGenerator:
    """Says `word` again and again, as long as it may and `open` lets it."""

    words: int = 3
    max_tokens: int = 4096
    open: threading.Event = field(default_factory=threading.Event)
    spoken: int = 0
    stopped: int = 0
    bodies: list[Mapping[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open.set()

    def generate(self, body: Mapping[str, object], on_chunk: Callable[[Chunk], bool]) -> None:
        self.bodies.append(body)
        for _ in range(self.words):
            assert self.open.wait(SECONDS)
            self.spoken += 1
            if on_chunk({"choices": [{"delta": {"content": "word "}, "finish_reason": None}]}):
                self.stopped += 1
                return
            time.sleep(0.001)
        on_chunk({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 2, "completion_tokens": self.words}
        on_chunk({"choices": [], "usage": {**usage, "total_tokens": self.words + 2}})


@dataclass
class FakeEngines:
    """Both fakes, and what the server loads."""

    embedder: FakeEmbedder = field(default_factory=FakeEmbedder)
    generator: FakeGenerator = field(default_factory=FakeGenerator)

    def load(self) -> Engines:
        return Engines(embedder=self.embedder, generator=self.generator)


def never_fails() -> None:
    """Stand for the exit of a server that could not load its models."""
    message = "the models could not be loaded"
    raise AssertionError(message)


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """Serve an app on a free port of 127.0.0.1 in a thread."""
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with running(uvicorn.Server(config)) as address:
        yield f"http://{address}"


@contextmanager
def running(server: uvicorn.Server) -> Iterator[str]:
    """Give host and port of a server in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def serving(settings: Settings, engines: FakeEngines) -> Iterator[str]:
    """Serve the fakes; the address ends in /v1 and is ready unless a delay was asked for."""
    server = Server(settings, engines.load, never_fails)
    with listening(server.app()) as address:
        if not settings.ready_delay_s:
            wait_for(lambda: server.loaded.engines is not None)
        yield f"{address}/v1"
