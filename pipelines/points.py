"""The points of one Qdrant collection, by REST: written, listed and deleted by document.

A point is what qdrant-haystack writes: the same id, and a payload with id, content and meta.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from pipelines.gathering import gathered
from pipelines.passages import Passages
from pipelines.settings import StoreSettings
from pipelines.transport.client import Client

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
        self._clients: dict[str, Client] = {}

    async def write(self, passages: Passages) -> None:
        """Write the chunks; what had their ids before is gone."""
        await gathered(
            self._upsert(passages, slice(start, start + BATCH))
            for start in range(0, len(passages.documents), BATCH)
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
            result = await self._result("/scroll", body)
            found.update(str(point["id"]) for point in result["points"])
            offset = result.get("next_page_offset")
            if offset is None:
                return found

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete points by their ids."""
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = list(ids[start : start + IDS_AT_ONCE])
            await self._result("/delete?wait=true", {"points": part})

    async def set_readers(self, document_id: str, readers: Sequence[str]) -> None:
        """Write who may read a document into all chunks of it."""
        body = {"payload": {"readers": list(readers)}, "key": "meta", "filter": _of(document_id)}
        await self._result("/payload?wait=true", body)

    async def delete_document(self, document_id: str) -> int:
        """Delete every chunk of a document and return how many there were."""
        held = {"filter": _of(document_id), "exact": True}
        counted = await self._result("/count", held)
        body = {"filter": _of(document_id)}
        await self._result("/delete?wait=true", body)
        return int(counted["count"])

    async def close(self) -> None:
        """Give the session back."""
        for client in self._clients.values():
            await client.close()

    async def _upsert(self, passages: Passages, part: slice) -> None:
        if passages.vectors is None:
            msg = "the passages have no vectors: expected the embedder before the writer"
            raise ValueError(msg)
        points = [
            {
                "id": each,
                "vector": vector,
                "payload": {
                    "id": document.id,
                    "content": document.content,
                    "meta": document.meta,
                },
            }
            for document, each, vector in zip(
                passages.documents[part], passages.ids[part], passages.vectors[part], strict=True
            )
        ]
        async with self._free:
            # Not before its turn: a body of 2,048 dimensions is 1.5 MB.
            body = orjson.dumps({"points": points}, option=orjson.OPT_SERIALIZE_NUMPY)
            await self._client("?wait=true", method="PUT").post(body)

    async def _result(self, route: str, body: object) -> Any:
        client = self._client(route)
        reply = await client.post(orjson.dumps(body))
        try:
            return orjson.loads(reply)["result"]
        except (KeyError, TypeError, ValueError) as error:
            raise client.odd_answer() from error

    def _client(self, route: str, *, method: str = "POST") -> Client:
        if route not in self._clients:
            key = self._settings.api_key.resolve_value() if self._settings.api_key else None
            self._clients[route] = Client(
                "retrieval",
                self._url + route,
                {"api-key": key} if key else {},
                deadline=self._settings.timeout,
                attempts=ATTEMPTS,
                method=method,
            )
        return self._clients[route]


def _of(document_id: str) -> dict[str, Any]:
    # An empty value would be a filter that matches other documents.
    if not document_id:
        msg = "document_id is empty"
        raise ValueError(msg)
    return {"must": [{"key": "meta.document_id", "match": {"value": document_id}}]}
