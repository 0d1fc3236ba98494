"""Passages in the order of a ranking model, over /v1/ranking; or in their own where it is down."""

import asyncio
import time
from typing import Any

import orjson
from haystack import Document, component, default_to_dict
from haystack.utils import Secret

from pipelines.degradation import RankedPassages, unranked
from pipelines.errors import StageError
from pipelines.found import rescored
from pipelines.transport.client import Client
from pipelines.transport.nim import bearer, endpoint


@component
class NimRanker:
    """Ranks in one call; `degraded` says that the model could not be reached and why."""

    def __init__(
        self,
        model: str,
        api_url: str,
        api_key: Secret | None,
        timeout: float,
        top_k: int,
        attempts: int,
    ) -> None:
        self.model = model
        self.api_url = api_url
        self.api_key = api_key
        self.timeout = timeout
        self.top_k = top_k
        self.attempts = attempts
        self._client: Client | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self.model,
            api_url=self.api_url,
            api_key=self.api_key.to_dict() if self.api_key else None,
            timeout=self.timeout,
            top_k=self.top_k,
            attempts=self.attempts,
        )

    def warm_up(self) -> None:
        """Read the key."""
        if self._client is None:
            self._client = Client(
                "ranking",
                endpoint(self.api_url, self.model, "ranking"),
                bearer(self.api_key),
                deadline=self.timeout,
                attempts=self.attempts,
            )

    async def close_async(self) -> None:
        """Give the session back."""
        if self._client is not None:
            await self._client.close()

    @component.output_types(documents=list[Document], seconds=float, degraded=str | None)
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> RankedPassages:
        """Return the best passages, best first; outside of an event loop."""

        async def once() -> RankedPassages:
            try:
                return await self.run_async(query, documents, top_k)
            finally:
                await self.close_async()

        return asyncio.run(once())

    @component.output_types(documents=list[Document], seconds=float, degraded=str | None)
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> RankedPassages:
        """Return the best passages, best first; `score` is the ranking model's.

        Raises StageError where the model answers and refuses: that does not pass by itself.
        """
        started = time.perf_counter()
        kept = self.top_k if top_k is None else top_k
        degraded: str | None = None
        try:
            ranked = await self._ranked(query, documents, kept) if documents else []
        except StageError as error:
            ranked, degraded = unranked(documents, kept, error)
        seconds = time.perf_counter() - started
        return {"documents": ranked, "seconds": seconds, "degraded": degraded}

    async def _ranked(self, query: str, documents: list[Document], kept: int) -> list[Document]:
        self.warm_up()
        assert self._client is not None
        body = {
            "model": self.model,
            "query": {"text": query},
            "passages": [{"text": document.content or ""} for document in documents],
            "truncate": "END",
        }
        reply = await self._client.post(orjson.dumps(body))
        try:
            rankings = orjson.loads(reply)["rankings"][:kept]
            return [rescored(documents[ranking["index"]], ranking["logit"]) for ranking in rankings]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._client.odd_answer() from error
