"""What the embedding and the ranking route share: vectors in small steps, metrics, error shape."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from local.models.engines import TextEmbedder, Tokens, Truncate, Vectors
from local.models.fields import Fields
from local.models.gate import Gate
from local.models.metrics import Counter, Gauge, Histogram, Metric
from local.models.refusals import Refusal, json_response
from local.models.route import Loaded, ModelRoute, unless_hung_up
from local.models.settings import Settings

TRUNCATE: dict[str, Truncate] = {"NONE": "NONE", "START": "START", "END": "END"}
# Small batches of like length waste no work on padding: 64 passages of 111 tokens take 1.0 s in
# batches of 2, 1.1 s in batches of 8, and those need 55 MB more.
BATCH = 2


class RetrieverMetrics:
    """Triton's names, as the retriever NIMs have them, and latency histograms beside them."""

    def __init__(self) -> None:
        self.success = Counter("nv_inference_request_success", "Requests answered")
        self.failure = Counter("nv_inference_request_failure", "Requests not answered")
        self.inputs = Counter("nv_inference_count", "Texts embedded or ranked")
        self.pending = Gauge("nv_inference_pending_request_count", "Requests waiting for a turn")
        self.running = Gauge("stackyard_requests_running", "Requests being answered")
        self.latency = Histogram(
            "stackyard_request_latency_seconds", "From a request's arrival to its answer"
        )

    def all(self) -> list[Metric]:
        """Return them in the order of a scrape."""
        return [
            self.success,
            self.failure,
            self.inputs,
            self.pending,
            self.running,
            self.latency,
        ]

    def watch(self, model: str, gate: Gate) -> None:
        """Show a model from the first scrape on."""
        for counter in (self.success, self.failure, self.inputs):
            counter.add(0, model=model, version="1")
        self.pending.watch(lambda: gate.waiting, model=model, version="1")
        self.running.watch(lambda: gate.running, model=model)
        self.latency.expect(model=model)


@dataclass(frozen=True)
class Answer:
    """The body of an answer and how many texts went into it."""

    body: Mapping[str, object]
    inputs: int


class RetrieverRoute(ModelRoute):
    """A route over the embedder; all of them share its single thread."""

    def __init__(
        self,
        settings: Settings,
        loaded: Loaded,
        gate: Gate,
        thread: Executor,
        metrics: RetrieverMetrics,
    ) -> None:
        super().__init__(settings, loaded, gate)
        self.thread = thread
        self.metrics = metrics
        metrics.watch(self.model, gate)

    @abstractmethod
    async def compute(self, fields: Fields) -> Answer:
        """Check the request and answer it."""

    @property
    def embedder(self) -> TextEmbedder:
        """Return the loaded embedder."""
        embedder = self.loaded.get().embedder
        if embedder is None:
            message = f"no embedder was loaded for {self.role}"
            raise RuntimeError(message)
        return embedder

    async def run(self, request: Request, fields: Fields) -> Response:
        """Answer, and stop in the middle when the client hangs up."""
        started = time.perf_counter()
        answer = await unless_hung_up(request, self.compute(fields))
        self.metrics.success.add(model=self.model, version="1")
        self.metrics.inputs.add(answer.inputs, model=self.model, version="1")
        self.metrics.latency.observe(time.perf_counter() - started, model=self.model)
        return json_response(answer.body)

    def shape(self, refusal: Refusal) -> Mapping[str, object]:
        """Return the retrievers' error body."""
        return refusal.for_retriever()

    def count_failure(self, refusal: Refusal) -> None:
        """Count it under Triton's name."""
        self.metrics.failure.add(model=self.model, version="1")

    def check_count(self, name: str, count: int) -> None:
        """Refuse more inputs than one request may carry."""
        most = self.settings.max_inputs
        if count > most:
            raise Refusal(413, f"{name} has {count} items, more than {most}: send fewer at a time")

    async def tokens(self, texts: Sequence[str], truncate: Truncate) -> list[Tokens]:
        """Return the tokens of the texts without blocking the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, self.embedder.tokens, texts, truncate)

    async def vectors(self, tokens: Sequence[Tokens]) -> Vectors:
        """Return the vectors in the order of the inputs.

        One small batch at a time goes to the thread, so that a question waits for one batch of
        each running request and not for somebody's whole document.
        """
        loop = asyncio.get_running_loop()
        rows: dict[int, Vectors] = {}
        for places in batches(tokens):
            batch = [tokens[place] for place in places]
            found = await loop.run_in_executor(self.thread, self.embedder.embed, batch)
            rows.update(zip(places, found, strict=True))
        return np.stack([rows[place] for place in range(len(tokens))])


def batches(tokens: Sequence[Tokens], size: int = BATCH) -> list[list[int]]:
    """Return the positions of like-long inputs, so many at a time."""
    order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
    return [order[start : start + size] for start in range(0, len(order), size)]
