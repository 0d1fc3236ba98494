"""Questions to answers: the query pipeline of each collection, and what callers see of it."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
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
from app.problems import Problem, invalid
from app.questions import Turn
from app.settings import Settings
from app.stores import Stores
from pipelines.answer import Answer
from pipelines.asking import Asking, Searching, Sink
from pipelines.errors import StageError
from pipelines.follow_up import Turn as PastTurn
from pipelines.permit import Permit
from pipelines.query import build_query_pipeline, build_search_pipeline
from pipelines.site import Site

Place = tuple[str, ...]
MOST_OPEN = 64  # combinations of collections that keep their pipelines; the oldest goes


@dataclass(frozen=True)
class Asked:
    """A question that was checked."""

    question: str
    collections: Place
    filters: dict[str, object] | None
    history: tuple[PastTurn, ...]

    @property
    def place(self) -> str:
        """The collections as answers name them; no name holds a comma."""
        return ",".join(self.collections)

    @classmethod
    def of(
        cls,
        question: str,
        collections: Sequence[str],
        filters: Mapping[str, object] | None,
        history: Sequence[Turn] | None,
    ) -> Self:
        past = tuple(PastTurn(role=turn.role, content=turn.content) for turn in history or ())
        return cls(question, tuple(collections), to_haystack(filters), past)


@dataclass(frozen=True)
class _Opened:
    """Some collections' pipelines, as long as their stores are those they were built on."""

    stores: tuple[QdrantDocumentStore, ...]
    asking: Asking
    searching: Searching

    async def close(self) -> None:
        await self.asking.close()
        await self.searching.close()


class Answering:
    """Answers questions on one event loop."""

    def __init__(
        self, settings: Settings, stores: Stores, library: Library, metrics: Metrics, site: Site
    ) -> None:
        self.default_collection = settings.collection
        self._settings = settings
        self._site = site
        self._stores = stores
        self._library = library
        self._metrics = metrics
        self._opened: dict[Place, _Opened] = {}
        self._opening: dict[Place, asyncio.Task[_Opened]] = {}

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

    async def chosen(self, one: str | None, several: Sequence[str] | None) -> Place:
        """Return the collections to ask, each once, or raise a Problem."""
        if several is None:
            return (await self.known(one),)
        if one is not None:
            msg = "collection and collections are both there: send one of them"
            raise invalid(msg)
        return tuple([await self.known(name) for name in sorted(set(several))])

    async def ask(self, asked: Asked) -> Answer:
        """Return the answer, or raise a Problem."""
        with self._told(asked.collections):
            opened = await self._of(asked.collections)
            answer = await opened.asking.ask(
                asked.question,
                filters=asked.filters,
                history=asked.history,
                permit=self._permit(),
            )
        self._answered(asked, answer)
        return answer

    async def tell(self, asked: Asked, sink: Sink) -> tuple[list[str], Answer]:
        """Give the text to `sink` as it becomes certain; return its rest and the Answer.

        Raises a Problem.
        """
        with self._told(asked.collections):
            opened = await self._of(asked.collections)
            rest, answer = await opened.asking.tell(
                asked.question,
                sink,
                filters=asked.filters,
                history=asked.history,
                permit=self._permit(),
            )
        self._answered(asked, answer)
        return rest, answer

    async def search(self, asked: Asked, top_k: int) -> tuple[list[Document], list[str]]:
        """Return the best passages and the stages left out, or raise a Problem.

        The language model is not asked, and need not be there.
        """
        with self._told(asked.collections):
            opened = await self._of(asked.collections)
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
    def _told(self, collections: Place) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._forget(collections, error)
            raise to_problem(error) from error

    async def _of(self, collections: Place) -> _Opened:
        opened = self._opened.get(collections)
        if opened is not None and all(
            self._stores.opened(name) is store
            for name, store in zip(collections, opened.stores, strict=True)
        ):
            return opened
        # One attempt for all who wait: where Qdrant is down each takes seconds to say so.
        task = self._opening.get(collections)
        if task is None:
            task = asyncio.create_task(self._open(collections))
            self._opening[collections] = task
            task.add_done_callback(lambda _: self._opening.pop(collections, None))
        return await asyncio.shield(task)

    async def _open(self, collections: Place) -> _Opened:
        stores, model = await asyncio.to_thread(self._stores.open, collections)
        settings, beside = query_settings(self._settings, model, self._site), stores[1:]
        place = ",".join(collections)
        opened = _Opened(
            tuple(stores),
            Asking(build_query_pipeline(stores[0], settings, beside), settings, place),
            Searching(build_search_pipeline(stores[0], settings, beside)),
        )
        replaced = self._opened.pop(collections, None)
        if replaced is None and len(self._opened) >= MOST_OPEN:
            replaced = self._opened.pop(next(iter(self._opened)))
        self._opened[collections] = opened
        if replaced is not None:
            await replaced.close()
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
            answerable=answer.answerable,
            degraded=answer.degraded,
            timings=timings,
            withheld=answer.withheld,
        )

    def _forget(self, collections: Place, error: Exception) -> None:
        # It came back without the collection; opening it anew makes one. A Qdrant that is away
        # needs nothing: the next question reaches it, or not.
        if isinstance(error, StageError) and error.stage == "retrieval" and error.status == 404:
            for collection in collections:
                self._stores.forget(collection)


def _place(document_id: str, page: int) -> dict[str, object]:
    return {"document": document_id, "page": page}
