"""POST /v1/ranking."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import numpy as np

from local.models.engines import Tokens, Vectors
from local.models.fields import Fields
from local.models.gate import Gate
from local.models.ranker import VectorCache, as_statement, logits
from local.models.retriever import TRUNCATE, Answer, RetrieverMetrics, RetrieverRoute
from local.models.route import Loaded
from local.models.settings import Settings


class RankingRoute(RetrieverRoute):
    """Orders passages for a question, best first."""

    role = "ranking"
    path = "/v1/ranking"

    def __init__(
        self,
        settings: Settings,
        loaded: Loaded,
        gate: Gate,
        thread: Executor,
        metrics: RetrieverMetrics,
    ) -> None:
        super().__init__(settings, loaded, gate, thread, metrics)
        self.cache = VectorCache()

    async def compute(self, fields: Fields) -> Answer:
        """Score every passage."""
        name = fields.text("model")
        query = _text_of(fields, "query", fields.get("query"))
        passages = _passages(fields)
        truncate = TRUNCATE[fields.choice("truncate", tuple(TRUNCATE), None) or "NONE"]
        fields.finish()
        self.check_model(name)
        self.check_count("passages", len(passages))

        await self.gate.enter()
        try:
            await self.faults.delay()
            query_tokens, *tokens = await self.tokens([as_statement(query), *passages], truncate)
            query_vector = (await self.vectors([query_tokens]))[0]
            vectors = await self._cached_vectors(tokens)
            loop = asyncio.get_running_loop()
            scores = await loop.run_in_executor(
                self.thread, logits, query, passages, query_vector, vectors
            )
        finally:
            self.gate.leave()

        # Stable, so that equal passages keep the order in which they were sent.
        order = np.argsort(-scores, kind="stable")
        rankings = [{"index": int(place), "logit": float(scores[place])} for place in order]
        return Answer({"rankings": rankings}, len(passages))

    async def _cached_vectors(self, tokens: Sequence[Tokens]) -> Vectors:
        """Return the passages' vectors and embed only those not seen lately."""
        keys = [self.cache.key(item) for item in tokens]
        known = {key: self.cache.get(key) for key in keys}
        new = {key: item for key, item in zip(keys, tokens, strict=True) if known[key] is None}
        if new:
            for key, vector in zip(new, await self.vectors(list(new.values())), strict=True):
                self.cache.put(key, vector)
                known[key] = vector
        return np.stack([vector for key in keys if (vector := known[key]) is not None])


def _passages(fields: Fields) -> list[str]:
    value = fields.get("passages")
    if not isinstance(value, list) or not value:
        fields.wrong("passages", "a list of {text} is required")
        return []
    return [_text_of(fields, f"passages[{place}]", item) for place, item in enumerate(value)]


def _text_of(fields: Fields, name: str, value: object) -> str:
    text = value.get("text") if isinstance(value, Mapping) else None
    if isinstance(text, str) and text:
        return text
    fields.wrong(f"{name}.text", "a text is required, not empty")
    return ""
