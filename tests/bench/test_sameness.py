"""What the stubs received is read as work, and other work is told apart."""

from dataclasses import replace

import pytest

from bench.engine import content
from bench.engine.sameness import EXPECTED, work_of

Recorded = list[dict[str, object]]


def recorded(**changed: object) -> Recorded:
    texts = [passage.text for passage in content.passages()]
    messages = [{"role": "user", "content": f"{' '.join(texts[:5])}\n{content.QUESTION}"}]
    bodies: dict[str, object] = {
        "/v1/embeddings": {"input": [content.QUESTION]},
        "/collections/documents/points/query": {"query": content.vector(), "limit": 20},
        "/v1/ranking": {"passages": [{"text": text} for text in texts[:20]]},
        "/v1/chat/completions": {"messages": messages},
        **changed,
    }
    return [{"path": path, "body": body} for path, body in bodies.items()]


def test_the_chain_is_recognised() -> None:
    work = work_of(recorded())

    assert work.chain == EXPECTED
    assert work.prompt_passages == 5


def test_a_vector_inside_a_prefetch_counts() -> None:
    search = {"prefetch": [{"query": {"nearest": content.vector()}, "limit": 20}], "limit": 20}

    assert work_of(recorded(**{"/collections/documents/points/query": search})).chain == EXPECTED


@pytest.mark.parametrize(
    ("path", "body", "difference"),
    [
        ("/v1/embeddings", {"input": ["a", "b"]}, {"embedded": 2}),
        (
            "/collections/documents/points/query",
            {"query": [0.5] * content.DIMENSION, "limit": 20},
            {"vector": False},
        ),
        (
            "/collections/documents/points/query",
            {"query": content.vector(), "limit": 5},
            {"limit": 5},
        ),
        ("/v1/ranking", {"passages": [{"text": "a"}]}, {"ranked": 1}),
    ],
)
def test_other_work_is_told_apart(
    path: str, body: dict[str, object], difference: dict[str, int | bool]
) -> None:
    work = work_of(recorded(**{path: body}))

    assert work == replace(work_of(recorded()), **difference)  # type: ignore[arg-type]
    assert work.chain != EXPECTED
