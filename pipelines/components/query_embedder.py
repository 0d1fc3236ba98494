"""A question to its vector, with passing failures tried again."""

import time
from typing import Any

from haystack import component, default_to_dict
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import (
    EmbeddingTruncateMode,
    NvidiaTextEmbedder,
)

from pipelines.retry import with_retry
from pipelines.words import as_statement


@component
class QueryEmbedder:
    """Drives the stock text embedder, which by itself gives up at the first failure."""

    def __init__(
        self, model: str, api_url: str, api_key: Secret | None, timeout: float, attempts: int
    ) -> None:
        self.attempts = attempts
        self._embedder = NvidiaTextEmbedder(
            model=model,
            api_url=api_url,
            api_key=api_key,
            timeout=timeout,
            truncate=EmbeddingTruncateMode.END,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self._embedder.model,
            api_url=self._embedder.api_url,
            api_key=self._embedder.api_key.to_dict() if self._embedder.api_key else None,
            timeout=self._embedder.timeout,
            attempts=self.attempts,
        )

    def warm_up(self) -> None:
        """Read the key and open the session."""
        self._embedder.warm_up()

    def close(self) -> None:
        """Close the session."""
        self._embedder.close()

    @component.output_types(embedding=list[float], seconds=float)
    def run(self, text: str) -> dict[str, list[float] | float]:
        """Return the vector of a question."""
        started = time.perf_counter()
        done = with_retry(lambda: self._embedder.run(as_statement(text)), self.attempts)
        embedding = done["embedding"]
        if not isinstance(embedding, list):
            msg = "the embedding service returned no vector"
            raise TypeError(msg)
        return {"embedding": embedding, "seconds": time.perf_counter() - started}
