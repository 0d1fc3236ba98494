"""Decides whether the passages found speak of the question at all."""

from typing import Any

from haystack import Document, component, default_to_dict

from pipelines.citations import excerpt, wanted_words
from pipelines.passage import taken_apart
from pipelines.words import view


@component
class EvidenceGate:
    """Lets passages through to the model, or nothing: then the documents do not answer.

    Both thresholds must be met: the cosine turns away foreign subjects, the question's own words
    turn away near ones.
    """

    def __init__(self, min_similarity: float, min_coverage: float, passage_characters: int) -> None:
        self.min_similarity = min_similarity
        self.min_coverage = min_coverage
        self.passage_characters = passage_characters

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            min_similarity=self.min_similarity,
            min_coverage=self.min_coverage,
            passage_characters=self.passage_characters,
        )

    @component.output_types(passages=list[str], documents=list[Document], similarity=float)
    def run(
        self, question: str, retrieved: list[Document], ranked: list[Document]
    ) -> dict[str, object]:
        """Return the passages as the model reads them; no `passages` at all stops the pipeline."""
        similarity = max((document.score or 0.0 for document in retrieved), default=0.0)
        if not ranked or similarity < self.min_similarity:
            return {"documents": [], "similarity": similarity}
        if coverage(question, ranked) < self.min_coverage:
            return {"documents": [], "similarity": similarity}
        wanted = wanted_words([(question, 1.0)], ranked)
        passages = [view(excerpt(document, wanted, self.passage_characters)) for document in ranked]
        return {"passages": passages, "documents": ranked, "similarity": similarity}

    @component.output_types(passages=list[str], documents=list[Document], similarity=float)
    async def run_async(
        self, question: str, retrieved: list[Document], ranked: list[Document]
    ) -> dict[str, object]:
        """Return the same, without the detour over a thread."""
        return self.run(question, retrieved, ranked)


def coverage(question: str, documents: list[Document]) -> float:
    """Return the share of the question's content words that the documents hold."""
    asked = taken_apart(question).words
    held = [taken_apart(document.content or "").words for document in documents]
    return len(asked & frozenset().union(*held)) / len(asked) if asked else 1.0
