"""Questions to answers: the query pipeline of each collection, and what callers see of it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from haystack import Document
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from app.access.identity import caller, visit
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
from pipelines.asking import Asking, Searching
from pipelines.errors import StageError
from pipelines.follow_up import Turn as PastTurn
from pipelines.permit import Permit
from pipelines.query import build_query_pipeline, build_search_pipeline


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


@dataclass(frozen=True)
class _Opened:
    """A collection's pipelines, as long as its store is the one they were built on."""

    store: QdrantDocumentStore
    asking: Asking
    searching: Searching

    async def close(self) -> None:
        await self.asking.close()
        await self.searching.close()


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
        self._opened: dict[str, _Opened] = {}
        self._opening: dict[str, asyncio.Task[_Opened]] = {}

    async def collections(self) -> list[str]:
        """Return the collections that are there for the caller."""
        return await self._library.collections(caller())

    async def known(self, collection: str | None) -> str:
        """Return the collection to ask, or raise a Problem where there is none of that name."""
        named = self._library.default_for(caller()) if collection is None else collection
        if not await self._library.knows(caller(), named):
            raise Problem(
                404, "unknown-collection", "There is no such collection", "GET /v1/models has all"
            )
        return named

    async def ask(self, asked: Asked) -> Answer:
        """Return the answer, or raise a Problem."""
        with self._told(asked.collection):
            opened = await self._of(asked.collection)
            answer = await opened.asking.ask(
                asked.question,
                filters=asked.filters,
                history=asked.history,
                permit=self._permit(),
            )
        self._answered(asked, answer)
        return answer

    async def stream(self, asked: Asked) -> AsyncGenerator[str | Answer, None]:
        """Yield the text as it becomes certain, then the Answer; raise a Problem."""
        with self._told(asked.collection):
            opened = await self._of(asked.collection)
            parts = opened.asking.stream(
                asked.question,
                filters=asked.filters,
                history=asked.history,
                permit=self._permit(),
            )
            async with contextlib.aclosing(parts):
                async for part in parts:
                    if isinstance(part, Answer):
                        self._answered(asked, part)
                    yield part

    async def search(self, asked: Asked, top_k: int) -> tuple[list[Document], list[str]]:
        """Return the best passages and the stages left out, or raise a Problem.

        The language model is not asked, and need not be there.
        """
        with self._told(asked.collection):
            opened = await self._of(asked.collection)
            hits, degraded = await opened.searching.search(
                asked.question, filters=asked.filters, top_k=top_k, permit=self._permit()
            )
        noted = visit()
        noted.question = asked.question
        noted.cited = [_place(hit.meta["document_id"], hit.meta["page"]) for hit in hits]
        return hits, degraded

    async def close(self) -> None:
        for opened in self._opened.values():
            await opened.close()

    @contextlib.contextmanager
    def _told(self, collection: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._forget(collection, error)
            raise to_problem(error) from error

    async def _of(self, collection: str) -> _Opened:
        opened = self._opened.get(collection)
        if opened is not None and self._stores.opened(collection) is opened.store:
            return opened
        # One attempt for all who wait: where Qdrant is down each takes seconds to say so.
        task = self._opening.get(collection)
        if task is None:
            task = asyncio.create_task(self._open(collection))
            self._opening[collection] = task
            task.add_done_callback(lambda _: self._opening.pop(collection, None))
        return await asyncio.shield(task)

    async def _open(self, collection: str) -> _Opened:
        store = await asyncio.to_thread(self._stores.open, collection)
        opened = _Opened(
            store,
            Asking(build_query_pipeline(store, self._settings), self._settings, collection),
            Searching(build_search_pipeline(store, self._settings)),
        )
        previous = self._opened.get(collection)
        self._opened[collection] = opened
        if previous is not None:
            await previous.close()
        return opened

    def _permit(self) -> Permit:
        """Return whose documents the caller's question may be answered from."""
        identity, holdings = caller(), self._library.journal.holdings
        return Permit(
            None if identity.is_admin else identity.principals,
            lambda document_id: holdings.cites(identity, document_id),
        )

    def _answered(self, asked: Asked, answer: Answer) -> None:
        noted = visit()
        noted.question = asked.question
        noted.cited = [_place(cited.document_id, cited.page) for cited in answer.citations]
        timings = answer.timings.model_dump()
        self._metrics.answer(
            answerable=answer.answerable, degraded=answer.degraded, timings=timings
        )

    def _forget(self, collection: str, error: Exception) -> None:
        # It came back without the collection; opening it anew makes one. A Qdrant that is away
        # needs nothing: the next question reaches it, or not.
        if isinstance(error, StageError) and error.stage == "retrieval" and error.status == 404:
            self._stores.forget(collection)


def _place(document_id: str, page: int) -> dict[str, object]:
    return {"document": document_id, "page": page}
