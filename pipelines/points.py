"""The points of one Qdrant collection, by REST: written, listed and deleted by document.

A point is what qdrant-haystack writes: the same id, and a payload with id, content and meta.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from haystack import Document

from pipelines.components.splitter import point_id
from pipelines.passages import Vectors
from pipelines.settings import StoreSettings
from pipelines.transport import Transport

BATCH = 64
IN_FLIGHT = 4
IDS_AT_ONCE = 10_000
ATTEMPTS = 3


class Points:
    """Belongs to the event loop of its first call; every failure is a StageError of retrieval."""

    def __init__(self, settings: StoreSettings, collection: str) -> None:
        self._settings = settings
        self._url = f"{settings.url.rstrip('/')}/collections/{collection}/points"
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._transport: Transport | None = None

    async def write(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """Write the chunks; what had their ids before is gone."""
        starts = range(0, len(documents), BATCH)
        await asyncio.gather(
            *(
                self._upsert(documents[start : start + BATCH], vectors[start : start + BATCH])
                for start in starts
            )
        )

    async def ids(self, document_id: str) -> set[str]:
        """Return the ids of all chunks of a document."""
        found: set[str] = set()
        offset: object = None
        while True:
            body = {
                "filter": _of(document_id),
                "limit": IDS_AT_ONCE,
                "with_payload": False,
                "with_vector": False,
                "offset": offset,
            }
            result = await self._result("POST", f"{self._url}/scroll", body)
            found.update(str(point["id"]) for point in result["points"])
            offset = result.get("next_page_offset")
            if offset is None:
                return found

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete points by their ids."""
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = list(ids[start : start + IDS_AT_ONCE])
            await self._result("POST", f"{self._url}/delete?wait=true", {"points": part})

    async def delete_document(self, document_id: str) -> int:
        """Delete every chunk of a document and return how many there were."""
        held = {"filter": _of(document_id), "exact": True}
        counted = await self._result("POST", f"{self._url}/count", held)
        body = {"filter": _of(document_id)}
        await self._result("POST", f"{self._url}/delete?wait=true", body)
        return int(counted["count"])

    async def close(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.close()

    async def _upsert(self, documents: Sequence[Document], vectors: Vectors) -> None:
        points = [
            {
                "id": point_id(document.id),
                "vector": vector,
                "payload": {
                    "id": document.id,
                    "content": document.content,
                    "meta": document.meta,
                },
            }
            for document, vector in zip(documents, vectors, strict=True)
        ]
        body = orjson.dumps({"points": points}, option=orjson.OPT_SERIALIZE_NUMPY)
        async with self._free:
            await self._opened().call("PUT", f"{self._url}?wait=true", body)

    async def _result(self, method: str, url: str, body: object) -> Any:
        answer = await self._opened().json(method, url, body)
        if not isinstance(answer, dict) or "result" not in answer:
            raise self._opened().misunderstood()
        return answer["result"]

    def _opened(self) -> Transport:
        if self._transport is None:
            key = self._settings.api_key.resolve_value() if self._settings.api_key else None
            self._transport = Transport(
                "retrieval",
                headers={"api-key": key} if key else {},
                seconds=self._settings.timeout,
                attempts=ATTEMPTS,
            )
        return self._transport


def _of(document_id: str) -> dict[str, Any]:
    # An empty value would be a filter that matches other documents.
    if not document_id:
        msg = "document_id is empty"
        raise ValueError(msg)
    return {"must": [{"key": "meta.document_id", "match": {"value": document_id}}]}
