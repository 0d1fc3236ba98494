"""Many passages to vectors: several requests in flight, and passing failures tried again."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from haystack import Document, component, default_to_dict
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import (
    EmbeddingTruncateMode,
    NvidiaDocumentEmbedder,
)

from pipelines.retry import with_retry


@component
class PassageEmbedder:
    """Drives the stock embedder, which by itself sends one request at a time and never again."""

    def __init__(
        self,
        model: str,
        api_url: str,
        api_key: Secret | None,
        timeout: float,
        batch_size: int,
        concurrent_batches: int,
        attempts: int,
    ) -> None:
        self.batch_size = batch_size
        self.concurrent_batches = concurrent_batches
        self.attempts = attempts
        self._embedder = NvidiaDocumentEmbedder(
            model=model,
            api_url=api_url,
            api_key=api_key,
            timeout=timeout,
            truncate=EmbeddingTruncateMode.END,
            batch_size=batch_size,
            progress_bar=False,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self._embedder.model,
            api_url=self._embedder.api_url,
            api_key=self._embedder.api_key.to_dict() if self._embedder.api_key else None,
            timeout=self._embedder.timeout,
            batch_size=self.batch_size,
            concurrent_batches=self.concurrent_batches,
            attempts=self.attempts,
        )

    def warm_up(self) -> None:
        """Read the key and open the session."""
        self._embedder.warm_up()

    def close(self) -> None:
        """Close the session."""
        self._embedder.close()

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Return the documents with their vectors, in their order."""
        batches = [
            documents[start : start + self.batch_size]
            for start in range(0, len(documents), self.batch_size)
        ]
        with ThreadPoolExecutor(max_workers=self.concurrent_batches) as pool:
            embedded = list(pool.map(self._embed, batches))
        return {"documents": [document for batch in embedded for document in batch]}

    def _embed(self, batch: list[Document]) -> list[Document]:
        done = with_retry(lambda: self._embedder.run(batch), self.attempts)
        embedded = done["documents"]
        if not isinstance(embedded, list) or len(embedded) != len(batch):
            msg = f"{len(batch)} passages were sent and {len(embedded)} vectors came back"
            raise ValueError(msg)
        return embedded
