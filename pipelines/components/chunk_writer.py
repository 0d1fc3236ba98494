"""Chunks with vectors to Qdrant, without a copy in between."""

import asyncio
from typing import Any

from haystack import component, default_from_dict, default_to_dict
from haystack.utils import Secret

from pipelines.passages import Passages
from pipelines.points import Points
from pipelines.settings import StoreSettings


@component
class ChunkWriter:
    """Overwrites by id; what the stock writer spends on `asdict` is most of its time."""

    def __init__(self, store: StoreSettings, collection: str) -> None:
        self.store = store
        self.collection = collection
        self._points = Points(store, collection)

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        key = self.store.api_key
        store = {
            "url": self.store.url,
            "dimension": self.store.dimension,
            "api_key": key.to_dict() if key else None,
            "timeout": self.store.timeout,
        }
        return default_to_dict(self, store=store, collection=self.collection)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ChunkWriter":
        """Return the component from YAML."""
        parameters = dict(data["init_parameters"])
        store = dict(parameters["store"])
        if store["api_key"]:
            store["api_key"] = Secret.from_dict(store["api_key"])
        parameters["store"] = StoreSettings(**store)
        writer: ChunkWriter = default_from_dict(cls, {**data, "init_parameters": parameters})
        return writer

    async def close_async(self) -> None:
        """Close the connections."""
        await self._points.close()

    @component.output_types(written=int)
    def run(self, passages: Passages) -> dict[str, int]:
        """Write the chunks and return how many; opens and closes its own connections."""

        async def once() -> dict[str, int]:
            try:
                return await self.run_async(passages)
            finally:
                await self.close_async()

        return asyncio.run(once())

    @component.output_types(written=int)
    async def run_async(self, passages: Passages) -> dict[str, int]:
        """Write the chunks and return how many; raises StageError."""
        if passages.documents:
            await self._points.write(passages)
        return {"written": len(passages.documents)}
