"""Vectors that are made once, and the ones that are shipped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.sets import vectors as kept
from bench.sets.shipping import ship
from bench.sets.vectors import Vectors, shipped
from local.models.engines import Tokens, Truncate
from local.models.engines import Vectors as Rows

TEXTS = ["a pump", "an oil filter", "a pump"]


class FakeEmbedder:
    """A double: a random vector a text."""

    max_tokens = 256

    def __init__(self) -> None:
        self.embedded = 0

    def tokens(self, texts: Sequence[str], truncate: Truncate) -> list[Tokens]:
        return [[ord(char) for char in text] for text in texts]

    def embed(self, tokens: Sequence[Tokens]) -> Rows:
        self.embedded += len(tokens)
        rows = np.array([np.random.default_rng(each).normal(size=64) for each in tokens])
        unit: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


def test_a_text_is_embedded_once_whatever_process_asks(tmp_path: Path) -> None:
    model = FakeEmbedder()

    first = Vectors(model, tmp_path / "v.npz").of(TEXTS)
    again = Vectors(model, tmp_path / "v.npz").of(TEXTS)

    assert model.embedded == 2
    assert np.array_equal(first, again)


def test_shipped_vectors_are_nearly_what_was_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SHIPPED", tmp_path)
    made = Vectors(FakeEmbedder(), tmp_path / "v.npz")

    ship(made, TEXTS, tmp_path / "a-set.npz")

    for key, vector in shipped("a-set").items():
        assert float(vector @ made.known[key]) > 0.9999
