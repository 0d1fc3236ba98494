"""Passages in the order of a ranking model."""

import time
from typing import Any

from haystack import Document, component, default_to_dict
from haystack.utils import Secret
from haystack_integrations.components.rankers.nvidia import NvidiaRanker

from pipelines.degradation import RankedPassages, unranked
from pipelines.errors import stage_error
from pipelines.retry import with_retry


@component
class PassageRanker:
    """Drives the stock ranker with retries; the stock one cannot be dumped once it truncates."""

    def __init__(
        self,
        model: str,
        api_url: str,
        api_key: Secret | None,
        timeout: float,
        top_k: int,
        attempts: int,
    ) -> None:
        self.attempts = attempts
        self._ranker = NvidiaRanker(
            model=model,
            api_url=api_url,
            api_key=api_key,
            timeout=timeout,
            top_k=top_k,
            truncate="END",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self._ranker.model,
            api_url=self._ranker.api_url,
            api_key=self._ranker.api_key.to_dict() if self._ranker.api_key else None,
            timeout=self._ranker.timeout,
            top_k=self._ranker.top_k,
            attempts=self.attempts,
        )

    def warm_up(self) -> None:
        """Read the key and open the session."""
        self._ranker.warm_up()

    def close(self) -> None:
        """Close the session."""
        self._ranker.close()

    @component.output_types(documents=list[Document], seconds=float, degraded=str | None)
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> RankedPassages:
        """Return the best passages, best first; `score` is the ranking model's.

        Where the model is down they keep the retriever's order, and `degraded` says why.
        """
        started = time.perf_counter()
        degraded: str | None = None
        try:
            done = with_retry(lambda: self._ranker.run(query, documents, top_k), self.attempts)
            ranked = done["documents"]
        except Exception as error:
            failed = stage_error("ranking", error)
            if failed is None:
                raise
            kept = self._ranker.top_k if top_k is None else top_k
            ranked, degraded = unranked(documents, kept, failed)
        seconds = time.perf_counter() - started
        return {"documents": ranked, "seconds": seconds, "degraded": degraded}
