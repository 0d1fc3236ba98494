"""Questions to answers: the query pipeline of each collection, and what callers see of it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from haystack import Document, Pipeline
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from app.documents.library import Library
from app.failures import to_problem
from app.filters import to_haystack
from app.metrics import Metrics
from app.models import query_settings
from app.problems import Problem
from app.questions import Turn
from app.settings import Settings
from app.stores import Stores
from pipelines.answer import Answer
from pipelines.asking import Asking
from pipelines.errors import StageError
from pipelines.follow_up import Turn as PastTurn
from pipelines.query import build_query_pipeline


@dataclass(frozen=True)
class Asked:
    """A question that was checked."""

    question: str
    collection: str
    filters: dict[str, object] | None
    history: tuple[PastTurn, ...]

    @classmethod
    def of(
        cls,
        question: str,
        collection: str,
        filters: Mapping[str, object] | None,
        history: Sequence[Turn] | None,
    ) -> Self:
        past = tuple(PastTurn(role=turn.role, content=turn.content) for turn in history or ())
        return cls(question, collection, to_haystack(filters), past)


class Answering:
    """Answers questions on one event loop."""

    def __init__(
        self, settings: Settings, stores: Stores, library: Library, metrics: Metrics
    ) -> None:
        self.default_collection = settings.collection
        self._settings = query_settings(settings)
        self._stores = stores
        self._library = library
        self._metrics = metrics
        self._asking: dict[str, tuple[QdrantDocumentStore, Asking]] = {}
        self._lock = asyncio.Lock()

    async def collections(self) -> list[str]:
        return await self._library.collections()

    async def known(self, collection: str | None) -> str:
        """Return the collection to ask, or raise a Problem where there is none of that name."""
        if collection is None:
            return self.default_collection
        if collection not in await self.collections():
            raise Problem(
                404, "unknown-collection", "There is no such collection", "GET /v1/models has all"
            )
        return collection

    async def ask(self, asked: Asked) -> Answer:
        """Return the answer, or raise a Problem."""
        async with contextlib.aclosing(self.stream(asked)) as parts:
            async for part in parts:
                if isinstance(part, Answer):
                    return part
        message = "the stream ended without an answer"
        raise RuntimeError(message)

    async def stream(self, asked: Asked) -> AsyncGenerator[str | Answer, None]:
        """Yield the text as it becomes certain, then the Answer; raise a Problem."""
        try:
            asking = await self._of(asked.collection)
            parts = asking.stream(asked.question, filters=asked.filters, history=asked.history)
            async with contextlib.aclosing(parts):
                async for part in parts:
                    if isinstance(part, Answer):
                        timings = part.timings.model_dump()
                        self._metrics.answer(answerable=part.answerable, timings=timings)
                    yield part
        except Exception as error:
            self._forget(asked.collection, error)
            raise to_problem(error) from error

    async def search(self, asked: Asked, top_k: int) -> list[Document]:
        """Return the best passages without asking the language model, or raise a Problem."""
        try:
            store = await asyncio.to_thread(self._stores.open, asked.collection)
            settings = replace(self._settings, retrieve_top_k=max(top_k, 20), answer_top_k=top_k)
            return await _ranked(build_query_pipeline(store, settings), asked)
        except Exception as error:
            self._forget(asked.collection, error)
            raise to_problem(error) from error

    async def close(self) -> None:
        for _, asking in self._asking.values():
            await asking.close()

    async def _of(self, collection: str) -> Asking:
        async with self._lock:
            store = await asyncio.to_thread(self._stores.open, collection)
            known = self._asking.get(collection)
            if known is None or known[0] is not store:
                pipeline = build_query_pipeline(store, self._settings)
                known = (store, Asking(pipeline, self._settings, collection))
                self._asking[collection] = known
            return known[1]

    def _forget(self, collection: str, error: Exception) -> None:
        if isinstance(error, StageError) and error.stage == "retrieval":
            self._stores.forget(collection)


async def _ranked(pipeline: Pipeline, asked: Asked) -> list[Document]:
    inputs = {
        "embedder": {"text": asked.question},
        "retriever": {"filters": asked.filters},
        "ranker": {"query": asked.question},
        "gate": {"question": asked.question},
        "prompt": {"question": asked.question},
    }
    outputs = pipeline.run_async_generator(inputs, include_outputs_from={"ranker"})
    # Closed as soon as the passages are ranked, so what comes after them never runs.
    async with contextlib.aclosing(outputs):
        async for output in outputs:
            if "ranker" in output:
                documents: list[Document] = output["ranker"]["documents"]
                return documents
    return []
