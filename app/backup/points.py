"""The points of a collection as lines of JSON: whole, in any order, from and to any Qdrant.

Lines, not Qdrant's snapshots: those are of one node and one minor version of it.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import orjson

from app.backup.archive import BadArchive
from pipelines.settings import StoreSettings
from pipelines.transport.client import Client

AT_ONCE = 256
ATTEMPTS = 5


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

    async def save(self, file: Path) -> int:
        """Write every point as a line and return how many there are."""
        count = 0
        with await asyncio.to_thread(file.open, "wb") as out:
            async for points in self._pages():
                lines = b"".join(orjson.dumps(each) + b"\n" for each in points)
                await asyncio.to_thread(out.write, lines)
                count += len(points)
        return count

    async def load(self, file: Path) -> int:
        """Upsert every line and return how many there were.

        Raises BadArchive where one is none.
        """
        count = 0
        with await asyncio.to_thread(file.open, "rb") as lines:
            while batch := await asyncio.to_thread(_batch, lines):
                await self._upsert.post(orjson.dumps({"points": batch}))
                count += len(batch)
        return count

    async def close(self) -> None:
        """Give the connections back."""
        await self._scroll.close()
        await self._upsert.close()

    async def _pages(self) -> AsyncIterator[list[object]]:
        offset: object = None
        while True:
            asked = {"limit": AT_ONCE, "with_payload": True, "with_vector": True, "offset": offset}
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


def _batch(lines: BinaryIO) -> list[object]:
    try:
        return [orjson.loads(line) for line in islice(lines, AT_ONCE)]
    except orjson.JSONDecodeError as error:
        message = "a line of its points is damaged"
        raise BadArchive(message) from error
