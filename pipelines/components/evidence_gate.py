"""Decides whether the passages found speak of the question at all."""

from typing import Any

from haystack import Document, component, default_to_dict

from pipelines.calibration import Calibration
from pipelines.citations import excerpt, wanted_words
from pipelines.fencing import fenced
from pipelines.passage import taken_apart
from pipelines.words import key_words, view

_OUTPUTS: dict[str, Any] = {
    "passages": list[str],
    "documents": list[Document],
    "similarity": float,
    "wanted": dict[str, float],
}


@component
class EvidenceGate:
    """Lets passages through to the model, or nothing: then the documents do not answer.

    With a calibration the ranking model's score and the question's words are weighed against each
    other; all words together in one place are enough. Without one, or where the ranking model is
    down, two thresholds must be met: the cosine turns away foreign subjects, the question's own
    words turn away near ones.
    """

    def __init__(
        self,
        min_similarity: float,
        min_coverage: float,
        passage_characters: int,
        coverage_weight: float = 0.0,
        min_evidence: float | None = None,
    ) -> None:
        self.min_similarity = min_similarity
        self.min_coverage = min_coverage
        self.passage_characters = passage_characters
        self.coverage_weight = coverage_weight
        self.min_evidence = min_evidence

    @classmethod
    def calibrated(
        cls,
        calibration: Calibration | None,
        *,
        min_similarity: float,
        min_coverage: float,
        passage_characters: int,
    ) -> "EvidenceGate":
        """Return the gate for a ranking model; the thresholds are for when it is down."""
        gate: EvidenceGate = cls(
            min_similarity,
            min_coverage,
            passage_characters,
            *((calibration.coverage_weight, calibration.least) if calibration else ()),
        )
        return gate

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            min_similarity=self.min_similarity,
            min_coverage=self.min_coverage,
            passage_characters=self.passage_characters,
            coverage_weight=self.coverage_weight,
            min_evidence=self.min_evidence,
        )

    @component.output_types(**_OUTPUTS)
    def run(
        self, question: str, retrieved: list[Document], ranked: list[Document]
    ) -> dict[str, object]:
        """Return the passages as the model reads them; no `passages` at all stops the pipeline.

        `wanted` are the question's words, weighted by how rare they are in the passages.
        """
        similarity = max([document.score or 0.0 for document in retrieved], default=0.0)
        if not ranked or not self.enough(question, similarity, retrieved, ranked):
            return {"documents": [], "similarity": similarity, "wanted": {}}
        wanted = wanted_words([(question, 1.0)], ranked)
        passages = [
            fenced(view(excerpt(document, wanted, self.passage_characters))) for document in ranked
        ]
        return {
            "passages": passages,
            "documents": ranked,
            "similarity": similarity,
            "wanted": wanted,
        }

    @component.output_types(**_OUTPUTS)
    async def run_async(
        self, question: str, retrieved: list[Document], ranked: list[Document]
    ) -> dict[str, object]:
        """Return the same, without the detour over a thread."""
        return self.run(question, retrieved, ranked)

    def enough(
        self, question: str, similarity: float, retrieved: list[Document], ranked: list[Document]
    ) -> bool:
        """Say whether the ranked passages, best first, are likely to hold an answer."""
        if self.min_evidence is None or _unranked(retrieved, ranked):
            return (
                similarity >= self.min_similarity
                and coverage(question, ranked) >= self.min_coverage
            )
        held = close_coverage(question, ranked)
        # A short text about many things is near to none of them: its words have to do.
        if held == 1.0 and similarity >= self.min_similarity:
            return True
        return (ranked[0].score or 0.0) + self.coverage_weight * held >= self.min_evidence


def coverage(question: str, documents: list[Document]) -> float:
    """Return the share of the question's content words that the documents hold."""
    asked = frozenset(key_words(question))
    held = [taken_apart(document.content or "").words for document in documents]
    return len(asked & frozenset().union(*held)) / len(asked) if asked else 1.0


def close_coverage(question: str, documents: list[Document]) -> float:
    """Return the largest share of the question's content words in two neighbouring sentences."""
    asked = dict.fromkeys(frozenset(key_words(question)), 1.0)
    if not asked:
        return 1.0
    held = [taken_apart(document.content or "").window_weights(asked) for document in documents]
    return max((weight for each in held for weight in each), default=0.0) / len(asked)


def _unranked(retrieved: list[Document], ranked: list[Document]) -> bool:
    """Say whether the order is the retriever's: a ranking model's score is never the cosine."""
    best = ranked[0]
    return any(each.score == best.score for each in retrieved if each.id == best.id)
