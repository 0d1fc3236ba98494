"""Turns texts into unit vectors: all-MiniLM-L6-v2, int8, on the CPU."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # ships no types
from tokenizers import Tokenizer

from local.models.catalog import MINILM, MODELS, TOKENIZER
from local.models.engines import Tokens, Truncate, Vectors
from local.models.refusals import Refusal


class Embedder:
    """The model and its tokenizer; `embed` may be called from one thread at a time."""

    max_tokens = MODELS["embedding"].max_tokens

    def __init__(self, weights: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # A spinning pool burns the CPUs that the other models need on the same machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(weights / MINILM.name), options, providers=["CPUExecutionProvider"]
        )
        self.tokenizer = Tokenizer.from_file(str(weights / TOKENIZER.name))
        # The file asks for 128 tokens and padding to 128; both are decided per request here.
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def tokens(self, texts: Sequence[str], truncate: Truncate) -> list[Tokens]:
        """Return the word pieces of each text, cut to what the model reads as `truncate` says."""
        found: list[Tokens] = [item.ids for item in self.tokenizer.encode_batch(list(texts))]
        return [self._cut(place, ids, truncate) for place, ids in enumerate(found)]

    def _cut(self, place: int, ids: Tokens, truncate: Truncate) -> Tokens:
        if len(ids) <= self.max_tokens:
            return ids
        first, *body, last = ids
        room = self.max_tokens - 2
        match truncate:
            case "START":
                return [first, *body[-room:], last]
            case "END":
                return [first, *body[:room], last]
            case "NONE":
                raise Refusal(
                    400,
                    f"Input {place} has {len(ids)} tokens and the model reads {self.max_tokens}: "
                    "send less, or set truncate to START or END",
                )

    def embed(self, tokens: Sequence[Tokens]) -> Vectors:
        """Return one unit vector per list of tokens, the mean over its word pieces."""
        width = max(map(len, tokens))
        ids = np.zeros((len(tokens), width), np.int64)
        mask = np.zeros_like(ids)
        for row, found in enumerate(tokens):
            ids[row, : len(found)] = found
            mask[row, : len(found)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden: Vectors = self.session.run(None, inputs)[0]
        weight = mask[..., None].astype(np.float32)
        mean = (hidden * weight).sum(axis=1) / weight.sum(axis=1)
        unit: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit
