"""Scores passages for a question: cosine, less how near to all others, plus shared words.

No package carries a cross-encoder. On six question sets a little word overlap gave 1 to 5 points
of nDCG@10 over the cosine alone; a larger weight, or rank fusion, is worse than none. Passages
that are near to everything are found for everything (hubs: Radovanović et al., Hubs in Space,
2010); taking a part of that off gave 1.5 points on one of two sets, nothing on the other. The
candidates of a question show their hubs nearly as well as the whole index, so no state is needed.
"""

import hashlib
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LEXICAL_WEIGHT = 0.10
HUB_WEIGHT = 0.20
HUB_NEIGHBOURS = 10
# BM25's usual constants.
K1 = 1.2
B = 0.75
_STOP = (
    "a an the of in on is are was were be to do does did how what why which when where who can i "
    "my it its for and or with there this that from by as at if not you your"
)
STOP_WORDS = frozenset(_STOP.split())
# 4096 vectors of 384 floats are 6 MB.
CACHED_VECTORS = 4096

Vector = NDArray[np.float32]


def as_statement(query: str) -> str:
    """Return the query as it is embedded: without its mark it is nearer to what answers it."""
    return query.rstrip().rstrip("?") or query


def words(text: str) -> list[str]:
    """Return the words that carry meaning, without their commonest endings."""
    return [
        re.sub(r"(ing|ed|es|s)$", "", word)
        for word in re.findall(r"\w+", text.lower())
        if word not in STOP_WORDS
    ]


def terms(text: str) -> list[str]:
    """Return the words, and each pair of neighbours: +0.8 points on two sets over words alone."""
    found = words(text)
    return [*found, *(f"{first} {second}" for first, second in pairwise(found))]


def lexical_scores(query: str, passages: Sequence[str]) -> NDArray[np.float64]:
    """Return BM25 over these passages alone, scaled so that the best is 1 (all 0 if none match)."""
    found = [terms(passage) for passage in passages]
    asked = set(terms(query))
    count = len(found)
    mean_length = sum(map(len, found)) / count or 1
    holding = Counter(word for passage in found for word in set(passage))
    scores = []
    for passage in found:
        times = Counter(passage)
        length = K1 * (1 - B + B * len(passage) / mean_length)
        scores.append(
            sum(
                math.log(1 + (count - holding[word] + 0.5) / (holding[word] + 0.5))
                * times[word]
                * (K1 + 1)
                / (times[word] + length)
                # Sorted, because a sum of floats depends on its order and sets have none.
                for word in sorted(asked)
                if times[word]
            )
        )
    return np.array(scores) / (max(scores) or 1)


def hubness(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each passage's mean cosine to its nearest neighbours among these (0 if alone)."""
    near = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(near, -np.inf)
    neighbours = min(HUB_NEIGHBOURS, len(near) - 1)
    if neighbours == 0:
        return np.zeros(len(near))
    mean: NDArray[np.float64] = np.sort(near, axis=1)[:, -neighbours:].mean(axis=1)
    return mean


def logits(
    query: str, passages: Sequence[str], query_vector: Vector, vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return one score per passage, the higher the better."""
    cosine = (vectors @ query_vector).astype(np.float64)
    scores: NDArray[np.float64] = cosine - HUB_WEIGHT * hubness(vectors)
    scores += LEXICAL_WEIGHT * lexical_scores(query, passages)
    return scores


class VectorCache:
    """The vectors of the passages ranked last; a passage that is found often is embedded once."""

    def __init__(self, size: int = CACHED_VECTORS) -> None:
        self.size = size
        self.vectors: OrderedDict[bytes, Vector] = OrderedDict()

    @staticmethod
    def key(tokens: Sequence[int]) -> bytes:
        """Return what the vector depends on: the tokens after truncation, as a digest."""
        return hashlib.blake2b(np.array(tokens, np.int32).tobytes(), digest_size=16).digest()

    def get(self, key: bytes) -> Vector | None:
        """Return the vector and mark it as used last."""
        if key in self.vectors:
            self.vectors.move_to_end(key)
        return self.vectors.get(key)

    def put(self, key: bytes, vector: Vector) -> None:
        """Keep the vector and forget the one not used for longest."""
        self.vectors[key] = vector
        self.vectors.move_to_end(key)
        if len(self.vectors) > self.size:
            self.vectors.popitem(last=False)
