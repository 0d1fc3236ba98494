"""POST /v1/embeddings."""

import base64

import numpy as np

from local.models.catalog import EMBEDDING_DIMENSION
from local.models.fields import Fields
from local.models.refusals import Refusal
from local.models.retriever import TRUNCATE, Answer, RetrieverRoute

INPUT_TYPES = ("query", "passage")


class EmbeddingRoute(RetrieverRoute):
    """Embeds one text or many; the model treats questions and passages alike, NIM's do not."""

    role = "embedding"
    path = "/v1/embeddings"

    async def compute(self, fields: Fields) -> Answer:
        """Embed the inputs in their order."""
        name = fields.text("model")
        texts = fields.texts("input")
        input_type = fields.choice("input_type", INPUT_TYPES, None)
        truncate = TRUNCATE[fields.choice("truncate", tuple(TRUNCATE), None) or "NONE"]
        encoding = fields.choice("encoding_format", ("float", "base64"), "float")
        dimensions = fields.integer("dimensions", 1, 2**31)
        fields.finish()
        self._check(name, input_type, dimensions)
        self.check_count("input", len(texts))

        await self.gate.enter()
        try:
            await self.faults.delay()
            tokens = await self.tokens(texts, truncate)
            vectors = await self.vectors(tokens)
        finally:
            self.gate.leave()

        used = sum(map(len, tokens))
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _base64(row) if encoding == "base64" else row.tolist(),
            }
            for index, row in enumerate(vectors)
        ]
        return Answer(
            {
                "object": "list",
                "data": data,
                "model": self.model,
                "usage": {"prompt_tokens": used, "total_tokens": used},
            },
            len(texts),
        )

    def _check(self, name: str, input_type: str | None, dimensions: int | None) -> None:
        """Refuse another model, a missing input_type and vectors of another length."""
        base, dash, suffix = name.rpartition("-")
        # NIM 1.x takes the kind of input as a suffix of the model's name too.
        named_type = suffix if dash and suffix in INPUT_TYPES and base in self.names else None
        self.check_model(base if named_type else name)
        if input_type is None and named_type is None:
            raise Refusal(400, "'input_type' parameter is required: query or passage")
        if dimensions not in (None, EMBEDDING_DIMENSION):
            raise Refusal(
                400,
                f"dimensions is {dimensions}: this model's vectors have {EMBEDDING_DIMENSION} "
                "and cannot be shortened",
            )


def _base64(row: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
