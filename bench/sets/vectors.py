"""Vectors of a set's texts, each made once and kept: by cache file, or as shipped with the set."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from local.models.engines import TextEmbedder, Tokens
from local.models.ranker import VectorCache
from local.models.retriever import batches

SAVED_EVERY = 100
SHIPPED = Path(__file__).with_name("shipped")

Matrix = NDArray[np.float32]


class Vectors:
    """Embeds texts once, and keeps the vectors in a file."""

    def __init__(self, embedder: TextEmbedder, file: Path) -> None:
        self.embedder = embedder
        self._file = file
        self.known: dict[bytes, Matrix] = {}
        if file.is_file():
            with np.load(file) as kept:
                self.known = dict(zip(map(bytes, kept["keys"]), kept["vectors"], strict=True))

    def of(self, texts: Sequence[str]) -> Matrix:
        """Return a unit vector per text."""
        tokens = self.embedder.tokens(texts, "END")
        keys = [VectorCache.key(each) for each in tokens]
        new = {key: each for key, each in zip(keys, tokens, strict=True) if key not in self.known}
        for number, (some, vectors) in enumerate(self._embedded(new), start=1):
            self.known.update(zip(some, vectors, strict=True))
            if number % SAVED_EVERY == 0:
                self._save()
        if new:
            self._save()
        return np.stack([self.known[key] for key in keys])

    def _embedded(self, new: dict[bytes, Tokens]) -> Iterator[tuple[list[bytes], Matrix]]:
        keys = list(new)
        for places in batches(list(new.values())):
            some = [keys[place] for place in places]
            yield some, self.embedder.embed([new[key] for key in some])

    def _save(self) -> None:
        keys = digests(self.known)
        beside = self._file.with_suffix(".new.npz")
        np.savez(beside, keys=keys, vectors=np.stack(list(self.known.values())))
        beside.replace(self._file)


def shipped(name: str) -> dict[bytes, Matrix]:
    """Return the shipped unit vectors of a set by the digest of their tokens."""
    with np.load(SHIPPED / f"{name}.npz") as kept:
        rows = kept["bytes"] * kept["scales"]
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return dict(zip(map(bytes, kept["keys"]), unit.astype(np.float32), strict=True))


def digests(known: dict[bytes, Matrix]) -> NDArray[np.uint8]:
    """Return the keys as rows of bytes, in their order."""
    return np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
