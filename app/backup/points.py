"""The points of a collection as lines of JSON: whole, in any order, from and to any Qdrant.

Lines, not Qdrant's snapshots: those are of one node and one minor version of it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from app.backup.archive import BadArchive
from pipelines.settings import StoreSettings
from pipelines.transport.client import Client

AT_ONCE = 256
ATTEMPTS = 5
DOCUMENTS_AT_ONCE = 500


class PointLines:
    """One collection; what Qdrant fails in is a StageError of retrieval."""

    def __init__(self, settings: StoreSettings, collection: str) -> None:
        url = f"{settings.url.rstrip('/')}/collections/{collection}/points"
        key = settings.api_key.resolve_value() if settings.api_key else None
        headers = {"api-key": key} if key else {}

        def client(route: str, method: str = "POST") -> Client:
            return Client(
                "retrieval",
                url + route,
                headers,
                deadline=settings.timeout,
                attempts=ATTEMPTS,
                method=method,
            )

        self._scroll, self._upsert = client("/scroll"), client("?wait=true", "PUT")
        self._delete = client("/delete?wait=true")

    async def save(self, file: Path, documents: Sequence[str] | None = None) -> int:
        """Write every point, or those of some documents, as a line; return how many there are."""
        count = 0
        with await asyncio.to_thread(file.open, "wb") as out:
            for given in _filters(documents):
                async for points in self._pages(given):
                    lines = b"".join(orjson.dumps(each) + b"\n" for each in points)
                    await asyncio.to_thread(out.write, lines)
                    count += len(points)
        return count

    async def clear(self) -> None:
        """Remove every point."""
        await self._delete.post(orjson.dumps({"filter": {"must": []}}))

    async def load(self, file: Path, *, without: Collection[str] = ()) -> int:
        """Upsert every line but those of some documents, and return how many there were.

        Raises BadArchive where one is none.
        """
        count = 0
        with await asyncio.to_thread(file.open, "rb") as lines:
            while batch := await asyncio.to_thread(_batch, lines):
                points = [each for each in batch if _document(each) not in without]
                if points:
                    await self._upsert.post(orjson.dumps({"points": points}))
                count += len(points)
        return count

    async def close(self) -> None:
        """Give the connections back."""
        for client in (self._scroll, self._upsert, self._delete):
            await client.close()

    async def _pages(self, given: Mapping[str, object]) -> AsyncIterator[list[object]]:
        offset: object = None
        everything = {"limit": AT_ONCE, "with_payload": True, "with_vector": True}
        while True:
            asked = {**everything, **given, "offset": offset}
            reply = await self._scroll.post(orjson.dumps(asked))
            try:
                result = orjson.loads(reply)["result"]
                offset = result.get("next_page_offset")
                # what a reply says of a point beside these is not the point's
                points: list[object] = [
                    {key: each[key] for key in ("id", "vector", "payload")}
                    for each in result["points"]
                ]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._scroll.odd_answer() from error
            yield points
            if offset is None:
                return


def _filters(documents: Sequence[str] | None) -> Iterator[Mapping[str, object]]:
    if documents is None:
        yield {}
        return
    for start in range(0, len(documents), DOCUMENTS_AT_ONCE):
        match = {"any": documents[start : start + DOCUMENTS_AT_ONCE]}
        yield {"filter": {"must": [{"key": "meta.document_id", "match": match}]}}


def _batch(lines: BinaryIO) -> list[Any]:
    try:
        return [orjson.loads(line) for line in islice(lines, AT_ONCE)]
    except orjson.JSONDecodeError as error:
        raise _damaged() from error


def _document(point: Any) -> str:
    try:
        return str(point["payload"]["meta"]["document_id"])
    except (KeyError, TypeError) as error:
        raise _damaged() from error


def _damaged() -> BadArchive:
    return BadArchive("a line of its points is damaged")
