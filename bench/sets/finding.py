"""Finds passages of a set as a running stack does, without HTTP and without a store.

The chunks, the vectors, the order and the gate are those of the stack; an exact search finds the
passages that the store finds.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from haystack import Document

from bench.sets.building import Set
from bench.sets.vectors import Vectors
from local.models.ranker import as_statement, logits
from pipelines.calibration import calibration
from pipelines.chunks import chunk_spans
from pipelines.components.evidence_gate import EvidenceGate
from pipelines.settings import Endpoint, IndexingSettings, QuerySettings

RANKING_MODEL = "stackyard/minilm-lexical-ranker"
# Nothing is sent there: only the defaults are read.
_NOWHERE = Endpoint(url="http://127.0.0.1/v1", model="none")
_RANKING = Endpoint(url="http://127.0.0.1/v1", model=RANKING_MODEL)
CUTTING = IndexingSettings(embedding=_NOWHERE)
ASKING = QuerySettings(embedding=_NOWHERE, ranking=_RANKING, llm=_NOWHERE)


@dataclass(frozen=True)
class Found:
    """What a question found: by falling cosine, and by falling score of the ranking model."""

    retrieved: list[Document]
    ranked: list[Document]

    @property
    def best(self) -> list[Document]:
        """Return the passages that an answer is made from."""
        return self.ranked[: ASKING.answer_top_k]


class Chunk(NamedTuple):
    """A piece of a document, which is one page here; `start` is where it begins on it."""

    document: str
    text: str
    start: int


class Passages:
    """The chunks of a set and their vectors."""

    def __init__(self, built: Set, vectors: Vectors) -> None:
        self.pieces = chunks(built)
        self.matrix = vectors.of([each.text for each in self.pieces])
        self.names = np.array([each.document for each in self.pieces])
        self.vectors = vectors

    def found(self, question: str, hidden: object = None) -> Found:
        """Return the passages for a question, without those of the document `hidden`."""
        (asked,) = self.vectors.of([as_statement(question)])
        near = np.where(self.names == hidden, np.float32(-1), self.matrix @ asked)
        nearest = np.argsort(-near, kind="stable")[: ASKING.retrieve_top_k]
        texts = [self.pieces[place].text for place in nearest]
        scores = logits(question, texts, asked, self.matrix[nearest])
        order = np.argsort(-scores, kind="stable")
        return Found(
            [self._passage(place, near[place]) for place in nearest],
            [self._passage(nearest[place], scores[place]) for place in order],
        )

    def _passage(self, place: int, score: float) -> Document:
        name, text, start = self.pieces[place]
        meta = {
            "document": name,
            "document_id": name,
            "page": 1,
            "span": [start, start + len(text)],
        }
        return Document(id=str(place), content=text, meta=meta, score=float(score))


def chunks(built: Set) -> list[Chunk]:
    """Return the chunks of every document, cut as the pipelines cut by default."""
    return [
        Chunk(name, text[start:end], start)
        for name, text in built.documents.items()
        for start, end in chunk_spans(
            text, words=CUTTING.chunk_words, overlap=CUTTING.overlap_words
        )
    ]


def gate() -> EvidenceGate:
    """Return the gate of a stack with the local models."""
    return EvidenceGate.calibrated(
        calibration(RANKING_MODEL),
        min_similarity=ASKING.min_similarity,
        min_coverage=ASKING.min_coverage,
        passage_characters=ASKING.passage_characters,
    )


def passes(question: str, found: Found, through: EvidenceGate) -> bool:
    """Say whether the gate asks a language model."""
    similarity = found.retrieved[0].score or 0.0
    return through.enough(question, similarity, found.retrieved, found.best)
