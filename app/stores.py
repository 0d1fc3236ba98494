"""The opened collections: one store each, shared by questions and indexing."""

import threading

from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from app.models import store_settings
from app.settings import Settings
from pipelines.document_store import build_document_store, prepare_document_store

PATIENCE = 2.0  # callers are told soon and the worker tries again by itself


class Stores:
    """Open a collection when it is first needed; call it from threads only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: dict[str, QdrantDocumentStore] = {}

    def open(self, collection: str) -> QdrantDocumentStore:
        """Return the store; raise StageError where Qdrant is not there."""
        # The store has no lock around its first use, and two first uses set it up twice.
        with self._lock:
            if collection not in self._opened:
                store = build_document_store(store_settings(self._settings), collection)
                prepare_document_store(store, patience=PATIENCE)
                self._opened[collection] = store
            return self._opened[collection]

    def opened(self, collection: str) -> QdrantDocumentStore | None:
        """Return the store if it is open, from any thread and without waiting."""
        return self._opened.get(collection)

    def forget(self, collection: str) -> None:
        """Open it anew next time: Qdrant may come back empty, without the collection."""
        with self._lock:
            self._opened.pop(collection, None)
