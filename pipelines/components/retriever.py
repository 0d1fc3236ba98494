"""The passages nearest to a question's vector."""

import time
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.permit import Permit


@component
class PassageRetriever:
    """Drives the stock retriever through the store's blocking client only, in a thread.

    The store's async client is a second client: it sets the collection up once more, belongs to
    the event loop that first used it, and with ":memory:" sees another database.
    """

    def __init__(self, document_store: QdrantDocumentStore, top_k: int) -> None:
        self.document_store = document_store
        self.top_k = top_k
        self._retriever = QdrantEmbeddingRetriever(document_store, top_k=top_k)

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        store = self.document_store.to_dict()
        return default_to_dict(self, document_store=store, top_k=self.top_k)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "PassageRetriever":
        """Return the component from YAML."""
        parameters = dict(data["init_parameters"])
        parameters["document_store"] = QdrantDocumentStore.from_dict(parameters["document_store"])
        retriever: PassageRetriever = default_from_dict(
            cls, {**data, "init_parameters": parameters}
        )
        return retriever

    @component.output_types(documents=list[Document], seconds=float)
    def run(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        permit: Permit | None = None,
    ) -> dict[str, list[Document] | float]:
        """Return passages by falling cosine; `score` is the cosine."""
        started = time.perf_counter()
        if permit is not None:
            filters = permit.narrowed(filters)
        found = self._retriever.run(query_embedding=query_embedding, filters=filters, top_k=top_k)
        documents: list[Document] = found["documents"]
        if permit is not None:
            documents = permit.kept(documents)
        return {"documents": documents, "seconds": time.perf_counter() - started}
