"""Many passages to vectors: bounded batches in flight, float32 from the wire to the store."""

import asyncio
import binascii
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from haystack import component, default_to_dict
from haystack.utils import Secret

from pipelines.errors import StageError
from pipelines.gathering import gathered
from pipelines.passages import Passages, Vectors
from pipelines.transport.client import Client
from pipelines.transport.nim import bearer, endpoint

# A server that does not know the base64 form says so with one of these.
NOT_UNDERSTOOD = (400, 422)


@component
class PassageEmbedder:
    """Speaks the NIM route `/embeddings`; at most `concurrent_batches` are under way at once.

    The bound holds for all runs together. A run belongs to the event loop of the first one.
    """

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
        self.model = model
        self.api_url = api_url
        self.api_key = api_key
        self.timeout = timeout
        self.batch_size = batch_size
        self.concurrent_batches = concurrent_batches
        self.attempts = attempts
        self._base64 = True
        self._free = asyncio.Semaphore(concurrent_batches)
        self._client: Client | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self.model,
            api_url=self.api_url,
            api_key=self.api_key.to_dict() if self.api_key else None,
            timeout=self.timeout,
            batch_size=self.batch_size,
            concurrent_batches=self.concurrent_batches,
            attempts=self.attempts,
        )

    def warm_up(self) -> None:
        """Read the key."""
        if self._client is None:
            self._client = Client(
                "embedding",
                endpoint(self.api_url, self.model, "embeddings"),
                bearer(self.api_key),
                deadline=self.timeout,
                attempts=self.attempts,
            )

    async def close_async(self) -> None:
        """Give the session back."""
        if self._client is not None:
            await self._client.close()

    @component.output_types(passages=Passages)
    def run(self, passages: Passages) -> dict[str, Passages]:
        """Return the passages with their vectors; opens and closes its own connections."""

        async def once() -> dict[str, Passages]:
            try:
                return await self.run_async(passages)
            finally:
                await self.close_async()

        return asyncio.run(once())

    @component.output_types(passages=Passages)
    async def run_async(self, passages: Passages) -> dict[str, Passages]:
        """Return the passages with their vectors, in their order; raises StageError."""
        self.warm_up()
        assert self._client is not None
        client = self._client
        texts = [document.content or "" for document in passages.documents]
        parts = await gathered(
            self._embed(client, texts[start : start + self.batch_size])
            for start in range(0, len(texts), self.batch_size)
        )
        vectors = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
        return {"passages": replace(passages, vectors=vectors)}

    async def _embed(self, client: Client, texts: list[str]) -> Vectors:
        async with self._free:
            reply = await self._asked(client, texts)
        try:
            return _vectors(orjson.loads(reply), len(texts))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise client.odd_answer() from error

    async def _asked(self, client: Client, texts: list[str]) -> bytes:
        body = {"model": self.model, "input": texts, "input_type": "passage", "truncate": "END"}
        if self._base64:
            try:
                return await client.post(orjson.dumps({**body, "encoding_format": "base64"}))
            except StageError as error:
                if error.status not in NOT_UNDERSTOOD:
                    raise
        reply = await client.post(orjson.dumps(body))
        self._base64 = False
        return reply


def _vectors(answer: Any, count: int) -> Vectors:
    """Return (count, dimension) from an answer whose items may come in any order."""
    items = answer["data"]
    if len(items) != count:
        msg = f"{count} passages were sent and {len(items)} vectors came back"
        raise ValueError(msg)
    rows: list[bytes] = [b""] * count
    for item in items:
        raw = item["embedding"]
        rows[item["index"]] = (
            binascii.a2b_base64(raw) if isinstance(raw, str) else np.asarray(raw, "<f4").tobytes()
        )
    if len(lengths := {len(row) for row in rows}) != 1 or lengths == {0}:
        msg = f"the vectors are of {len(lengths)} lengths, or empty: expected one length"
        raise ValueError(msg)
    return np.frombuffer(b"".join(rows), "<f4").reshape(count, -1)
