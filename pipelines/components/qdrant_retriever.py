"""The passages nearest to a question's vector, over Qdrant's REST."""

import asyncio
import time
from typing import Any

import orjson
from haystack import Document, component, default_to_dict
from haystack.utils import Secret
from haystack_integrations.document_stores.qdrant.filters import convert_filters_to_qdrant

from pipelines.found import found
from pipelines.permit import Permit
from pipelines.transport.client import Client
from pipelines.vector import Vector


@component
class QdrantRetriever:
    """Reads one collection that is there already, in the layout of QdrantDocumentStore."""

    def __init__(
        self,
        url: str,
        collection: str,
        api_key: Secret | None,
        timeout: float,
        attempts: int,
        top_k: int,
    ) -> None:
        self.url = url
        self.collection = collection
        self.api_key = api_key
        self.timeout = timeout
        self.attempts = attempts
        self.top_k = top_k
        self._client: Client | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            url=self.url,
            collection=self.collection,
            api_key=self.api_key.to_dict() if self.api_key else None,
            timeout=self.timeout,
            attempts=self.attempts,
            top_k=self.top_k,
        )

    def warm_up(self) -> None:
        """Read the key."""
        if self._client is None:
            key = self.api_key.resolve_value() if self.api_key else None
            self._client = Client(
                "retrieval",
                f"{self.url}/collections/{self.collection}/points/query",
                {"api-key": key} if key else {},
                deadline=self.timeout,
                attempts=self.attempts,
            )

    async def close_async(self) -> None:
        """Give the session back."""
        if self._client is not None:
            await self._client.close()

    @component.output_types(documents=list[Document], seconds=float)
    def run(
        self,
        query_embedding: Vector | list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        permit: Permit | None = None,
    ) -> dict[str, list[Document] | float]:
        """Return passages by falling cosine; outside of an event loop."""

        async def once() -> dict[str, list[Document] | float]:
            try:
                return await self.run_async(query_embedding, filters, top_k, permit)
            finally:
                await self.close_async()

        return asyncio.run(once())

    @component.output_types(documents=list[Document], seconds=float)
    async def run_async(
        self,
        query_embedding: Vector | list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        permit: Permit | None = None,
    ) -> dict[str, list[Document] | float]:
        """Return passages by falling cosine; `score` is the cosine. Raises StageError."""
        started = time.perf_counter()
        self.warm_up()
        assert self._client is not None
        vector = (
            query_embedding if isinstance(query_embedding, Vector) else Vector.of(query_embedding)
        )
        body: dict[str, object] = {
            "query": {"nearest": orjson.Fragment(vector.json)},
            "limit": self.top_k if top_k is None else top_k,
            "with_vector": False,
            "with_payload": True,
        }
        chosen = _filter(filters, permit)
        if chosen is not None:
            body["filter"] = chosen
        reply = await self._client.post(orjson.dumps(body))
        try:
            points = orjson.loads(reply)["result"]["points"]
            documents = [found(point["payload"], point["score"]) for point in points]
        except (KeyError, TypeError, ValueError) as error:
            raise self._client.odd_answer() from error
        if permit is not None:
            documents = permit.kept(documents)
        return {"documents": documents, "seconds": time.perf_counter() - started}


def _filter(filters: dict[str, Any] | None, permit: Permit | None) -> object:
    """Return Qdrant's filter of both; what the stock retriever sends where there is no permit."""
    chosen = convert_filters_to_qdrant(filters)
    asked = None if chosen is None else chosen.model_dump(mode="json", exclude_none=True)
    if permit is None or permit.condition is None:
        return asked
    conditions: list[object] = [orjson.Fragment(permit.condition)]
    return {"must": conditions if asked is None else [*conditions, asked]}
