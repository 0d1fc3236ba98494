"""Many passages to vectors: bounded batches in flight, float32 from the wire to the store."""

import asyncio
import base64
from typing import Any

import numpy as np
from haystack import component, default_to_dict
from haystack.utils import Secret

from pipelines.errors import StageError
from pipelines.passages import Passages, Vectors
from pipelines.transport import Transport

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
        self._encoding = "base64"
        self._free = asyncio.Semaphore(concurrent_batches)
        self._transport: Transport | None = None

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

    async def close_async(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.close()

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
        texts = [document.content or "" for document in passages.documents]
        starts = range(0, len(texts), self.batch_size)
        tasks = [
            asyncio.create_task(self._embed(texts[start : start + self.batch_size]))
            for start in starts
        ]
        try:
            parts = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        vectors = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
        return {"passages": Passages(documents=passages.documents, vectors=vectors)}

    async def _embed(self, texts: list[str]) -> Vectors:
        async with self._free:
            encoding = self._encoding
            try:
                answer = await self._ask(texts, encoding)
            except StageError as error:
                if encoding == "float" or error.status not in NOT_UNDERSTOOD:
                    raise
                answer = await self._ask(texts, "float")
                self._encoding = "float"
        try:
            return _vectors(answer, len(texts))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._opened().misunderstood() from error

    async def _ask(self, texts: list[str], encoding: str) -> object:
        body = {
            "input": texts,
            "model": self.model,
            "input_type": "passage",
            "truncate": "END",
            "encoding_format": encoding,
        }
        return await self._opened().json("POST", f"{self.api_url}/embeddings", body)

    def _opened(self) -> Transport:
        if self._transport is None:
            key = self.api_key.resolve_value() if self.api_key else None
            headers = {"authorization": f"Bearer {key}"} if key else {}
            self._transport = Transport(
                "embedding", headers=headers, seconds=self.timeout, attempts=self.attempts
            )
        return self._transport


def _vectors(answer: Any, count: int) -> Vectors:
    """Return (count, dimension) from an answer whose items may come in any order."""
    items = answer["data"]
    if len(items) != count:
        msg = f"{count} passages were sent and {len(items)} vectors came back"
        raise ValueError(msg)
    rows: list[Vectors] = [np.empty(0, np.float32)] * count
    for item in items:
        raw = item["embedding"]
        rows[item["index"]] = (
            np.frombuffer(base64.b64decode(raw), "<f4")
            if isinstance(raw, str)
            else np.asarray(raw, np.float32)
        )
    # Stacking refuses rows of different lengths.
    return np.stack(rows)
