"""What a failure is called, and whether trying again may help."""

import pytest

from pipelines.errors import Failure, Stage, StageError


@pytest.mark.parametrize(
    ("stage", "status", "said", "retryable"),
    [
        ("retrieval", 404, "qdrant has no such collection (status 404)", False),
        ("retrieval", 507, "qdrant has no room left (status 507)", True),
        ("retrieval", 500, "qdrant answered with status 500", True),
        ("generation", 404, "llm knows no such model (status 404)", False),
    ],
)
def test_a_status_is_told_in_words_of_the_service(
    stage: Stage, status: int, said: str, retryable: bool
) -> None:
    error = StageError(stage, Failure("status", status))

    assert str(error) == f"{stage} failed: {said}"
    assert error.retryable is retryable
