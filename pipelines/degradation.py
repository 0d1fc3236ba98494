"""What is left out of an answer when a service is down that it can do without."""

from typing import TypedDict

from haystack import Document

from pipelines.errors import StageError


class RankedPassages(TypedDict):
    """What a ranker puts out; `degraded` is why the order is the retriever's, if it is."""

    documents: list[Document]
    seconds: float
    degraded: str | None


def unranked(documents: list[Document], kept: int, error: StageError) -> tuple[list[Document], str]:
    """Return the passages as they were found, and why; raise what will not pass by itself."""
    if not error.retryable:
        raise error
    return documents[:kept], str(error)
