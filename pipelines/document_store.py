"""The Qdrant collection behind one stackyard collection."""

import time
import warnings
from collections.abc import Callable

from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.errors import stage_error
from pipelines.settings import StoreSettings

PAYLOAD_INDEXES = [
    {"field_name": "meta.document_id", "field_schema": "keyword"},
    {"field_name": "meta.readers", "field_schema": "keyword"},
]

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0


def build_document_store(
    settings: StoreSettings, collection: str, *, indexed: bool = True
) -> QdrantDocumentStore:
    """Return the store of a collection; nothing is sent before its first use.

    `indexed`: whether that use makes the indexes of its payload, which only a key that writes can.
    """
    in_memory = settings.url == ":memory:"
    return QdrantDocumentStore(
        location=":memory:" if in_memory else None,
        url=None if in_memory else settings.url,
        api_key=settings.api_key,
        index=collection,
        embedding_dim=settings.dimension,
        similarity="cosine",
        use_sparse_embeddings=False,
        return_embedding=False,
        progress_bar=False,
        timeout=settings.timeout,
        shard_number=settings.shards,
        replication_factor=settings.copies,
        payload_fields_to_index=PAYLOAD_INDEXES if indexed else None,
        client_kwargs={"check_compatibility": False},
    )


def prepare_document_store(
    store: QdrantDocumentStore,
    *,
    patience: float = 60.0,
    first: Callable[[], None] = lambda: None,
) -> None:
    """Create the collection and its indexes where they are missing; wait for Qdrant to come up.

    Each attempt does `first` before, which may ask Qdrant too. Call this once, from one thread,
    before the store is shared: the store has no lock around its first use. Raises StageError when
    Qdrant is not there within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            first()
            _set_up(store)
            return
        except Exception as error:
            # Otherwise the store keeps the half-made client and never sets the collection up.
            store.close()
            failed = stage_error("retrieval", error)
            if failed is None or not failed.retryable or time.monotonic() + pause > deadline:
                raise (failed or error) from error
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)


def _set_up(store: QdrantDocumentStore) -> None:
    with warnings.catch_warnings():
        # Inside the cluster's network policies the key travels over http, as designed.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        # The in-memory engine of tests has none.
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        store.count_documents()
        # Creation may have stopped between the collection and its indexes; this is idempotent.
        store._create_payload_index(store.index, store.payload_fields_to_index)
