"""Writing chunks: the indexing pipeline of each collection, for the worker behind the uploads."""

from collections.abc import Callable

from haystack import Pipeline
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from app.models import indexing_settings
from app.settings import Settings
from app.stores import Stores
from pipelines.convert import Page
from pipelines.errors import StageError
from pipelines.indexing import build_indexing_pipeline, delete_document, index_document


class ChunkIndex:
    """What is searched, as the worker sees it; `index` is called by one thread at a time."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._built: dict[str, tuple[QdrantDocumentStore, Pipeline]] = {}

    def index(
        self,
        collection: str,
        document_id: str,
        name: str,
        pages: list[Page],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write a document's chunks in place of its old ones and return how many there are."""
        store = self._stores.open(collection)
        pipeline = self._pipeline(collection, store)
        try:
            return index_document(
                pipeline, store, document_id, name, pages, on_progress=on_progress
            )
        except StageError as error:
            self._forget(collection, error)
            raise

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document's chunks and return how many there were."""
        try:
            return delete_document(self._stores.open(collection), document_id)
        except StageError as error:
            self._forget(collection, error)
            raise

    def _pipeline(self, collection: str, store: QdrantDocumentStore) -> Pipeline:
        built = self._built.get(collection)
        if built is None or built[0] is not store:
            pipeline = build_indexing_pipeline(store, indexing_settings(self._settings))
            built = self._built[collection] = (store, pipeline)
        return built[1]

    def _forget(self, collection: str, error: StageError) -> None:
        if error.stage == "retrieval":
            self._stores.forget(collection)
