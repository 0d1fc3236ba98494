"""Writing chunks: the indexing pipeline of each collection, for the worker behind the uploads."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from haystack import Pipeline

from app.generations import Generation
from app.memory import give_back
from app.models import indexing_settings, store_settings
from app.settings import Settings
from app.stores import Stores
from pipelines.convert import Page
from pipelines.errors import StageError
from pipelines.indexing import build_indexing_pipeline, index_document
from pipelines.points import Points

T = TypeVar("T")

# Vectors and requests of so many chunks leave 10 MB and more behind; giving it back takes 1 ms.
MANY = 1000


@dataclass(frozen=True)
class _Open:
    """What writes into the vectors of one model for one collection."""

    pipeline: Pipeline
    points: Points


class ChunkIndex:
    """What is searched, as the worker sees it; its calls block and may come from any thread.

    They meet on an event loop in a thread of its own: documents that are indexed at once share
    connections and limits, and a question's loop never waits for one.
    """

    def __init__(
        self, settings: Settings, stores: Stores, settled: Callable[[], None] = lambda: None
    ) -> None:
        """`settled` returns when no other process is changing what answers."""
        self._settings = settings
        self._stores = stores
        self._settled = settled
        self._opened: dict[Generation, _Open] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def index(
        self,
        collection: str,
        document_id: str,
        name: str,
        pages: list[Page],
        on_progress: Callable[[int, int], None] | None = None,
        readers: Sequence[str] | None = None,
    ) -> int:
        """Write a document's chunks in place of its old ones and return how many there are."""
        live = self._live(collection)
        return self.index_into(live, document_id, name, pages, readers, on_progress)

    def index_into(
        self,
        generation: Generation,
        document_id: str,
        name: str,
        pages: list[Page],
        readers: Sequence[str] | None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write a document's chunks into these vectors, which may not answer yet."""
        chunks = self._run_in(
            generation,
            lambda opened: index_document(
                opened.pipeline,
                opened.points,
                document_id,
                name,
                pages,
                readers=readers,
                on_progress=on_progress,
            ),
        )
        if chunks >= MANY:
            give_back()
        return chunks

    def set_readers(self, collection: str, document_id: str, readers: Sequence[str]) -> None:
        """Write who may read a document into all chunks of it, in all vectors."""
        live = self._live(collection)
        for physical in self._stores.generations.held(collection):
            if physical != live.physical:
                other = Generation(collection, physical, live.model)
                self.set_readers_in(other, document_id, readers)
        self._run(collection, lambda opened: opened.points.set_readers(document_id, readers))

    def set_readers_in(
        self, generation: Generation, document_id: str, readers: Sequence[str]
    ) -> None:
        """Write who may read a document into its chunks in these vectors."""
        self._call(self._open(generation).points.set_readers(document_id, readers))

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document's chunks, from all vectors, and return how many there were."""
        live = self._live(collection)
        held = self._stores.generations.held(collection)
        others = [each for each in held if each != live.physical]
        for physical in others:
            self.remove_from(Generation(collection, physical, live.model), document_id)
        return self._run(collection, lambda opened: opened.points.delete_document(document_id))

    def remove_from(self, generation: Generation, document_id: str) -> int:
        """Remove a document's chunks from these vectors and return how many there were."""
        return self._call(self._open(generation).points.delete_document(document_id))

    def close(self) -> None:
        """Close the connections and end the thread; what runs there is cut off."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    async def _close(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for opened in self._opened.values():
            await opened.pipeline.close_async()
            await opened.points.close()

    def _run(self, collection: str, work: Callable[[_Open], Coroutine[Any, Any, T]]) -> T:
        return self._run_in(self._live(collection), work)

    def _live(self, collection: str) -> Generation:
        """Return what answers, and does so for as long as the job runs that asks."""
        self._settled()
        self._stores.catch_up()
        return self._stores.generations.live(collection)

    def _run_in(self, into: Generation, work: Callable[[_Open], Coroutine[Any, Any, T]]) -> T:
        # Creates the collection and its indexes where they are missing.
        self._stores.open_generation(into)
        try:
            return self._call(work(self._open(into)))
        except StageError as error:
            if error.stage == "retrieval":
                self._stores.forget_generation(into)
            if not (error.stage == "retrieval" and error.status == 404):
                raise
        # Qdrant came back empty, without the collection that was there a moment ago.
        self._stores.open_generation(into)
        return self._call(work(self._open(into)))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=[self._loop], daemon=True).start()
            loop = self._loop
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def _open(self, generation: Generation) -> _Open:
        with self._lock:
            if generation not in self._opened:
                store = store_settings(self._settings, generation.model)
                physical, embedding = generation.physical, indexing_settings(generation.model)
                self._opened[generation] = _Open(
                    build_indexing_pipeline(store, physical, embedding), Points(store, physical)
                )
            return self._opened[generation]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
