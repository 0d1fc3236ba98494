"""The opened collections: one store each, shared by questions and indexing."""

import threading
from collections.abc import Callable, Sequence

from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from app.generations import EmbeddingModel, Generation, Generations
from app.models import store_settings
from app.settings import Settings
from pipelines.document_store import build_document_store, prepare_document_store

PATIENCE = 2.0  # callers are told soon and the worker tries again by itself


class Stores:
    """Open a collection when it is first needed; call it from threads only."""

    def __init__(
        self,
        settings: Settings,
        generations: Generations,
        vectors: Callable[[], int] = lambda: 0,
        making: Callable[[Generation, bool], None] = lambda _, live: None,
    ) -> None:
        """`making` is told of vectors that are not there before they are made, and if they answer.

        They are new, or were lost.
        """
        self.generations = generations
        self._making = making
        # A number that changes when any process has let other vectors answer.
        self._vectors = vectors
        self._seen = 0
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: dict[str, QdrantDocumentStore] = {}
        # the same collections, by the key that only reads
        self._asked: dict[str, QdrantDocumentStore] = {}
        self._live: dict[str, Generation] = {}

    def open(self, collections: Sequence[str]) -> tuple[list[QdrantDocumentStore], EmbeddingModel]:
        """Return the stores that answer, to be read only, and the model of their vectors.

        Raises StageError where Qdrant is not there.
        """
        # All before or all after a change of the model: their vectors are compared.
        with self.generations.lock:
            self.catch_up()
            stores = []
            for collection in collections:
                live = self._live.get(collection) or self.generations.live(collection)
                self._live[collection] = live
                stores.append(self._open_to_ask(live))
            return stores, live.model

    def _open_to_ask(self, generation: Generation) -> QdrantDocumentStore:
        # It may have to be made first, which the key that only reads cannot do.
        made = self.open_generation(generation)
        with self._lock:
            name = generation.physical
            if name not in self._asked:
                self._asked[name] = self._reader(generation) or made
            return self._asked[name]

    def _reader(self, generation: Generation) -> QdrantDocumentStore | None:
        if self._settings.qdrant_read_api_key_file is None:
            return None
        settings = store_settings(self._settings, generation.model, reading=True)
        store = build_document_store(settings, generation.physical, indexed=False)
        prepare_document_store(store, patience=PATIENCE)
        return store

    def open_generation(self, generation: Generation) -> QdrantDocumentStore:
        """Return the store of these vectors, live or not."""
        name = generation.physical
        if (opened := self._opened.get(name)) is not None:
            return opened
        # before the lock below: who has that of the generations waits for this one
        live = self.generations.is_live(generation)

        def tell_if_absent() -> None:
            if self.generations.size(name) is None:
                self._making(generation, live)

        # The store has no lock around its first use, and two first uses set it up twice.
        with self._lock:
            if name not in self._opened:
                settings = store_settings(self._settings, generation.model)
                store = build_document_store(settings, name)
                prepare_document_store(store, patience=PATIENCE, first=tell_if_absent)
                self._opened[name] = store
            return self._opened[name]

    def opened(self, collection: str) -> QdrantDocumentStore | None:
        """Return the store that answers if it is open, from any thread and without waiting."""
        if self._vectors() != self._seen:
            return None
        live = self._live.get(collection)
        return None if live is None else self._asked.get(live.physical)

    def forget(self, collection: str) -> None:
        """Open it anew next time: Qdrant may come back empty, without the collection."""
        if live := self._live.get(collection):
            self.forget_generation(live)

    def forget_generation(self, generation: Generation) -> None:
        """Open these vectors anew next time."""
        with self._lock:
            self._opened.pop(generation.physical, None)
            self._asked.pop(generation.physical, None)

    def catch_up(self) -> None:
        """Look anew at what answers if any process has changed it."""
        with self.generations.lock:
            vectors = self._vectors()
            if vectors != self._seen:
                self.look_again()
                self._seen = vectors

    def look_again(self) -> None:
        """Look anew at what answers: it has changed."""
        self.generations.look_again()
        with self._lock:
            self._live = {}
