"""Filters mean what qdrant-client's own in-memory engine says they mean, on random data."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from tests.contract.qdrant.conftest import VECTOR_SIZE

POINTS = 150
QUESTIONS = 60
WORDS = ("amber", "birch", "cedar", "dune", "ember")
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

INDEXES = {
    "word": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.INTEGER,
    "weight": models.PayloadSchemaType.FLOAT,
    "flag": models.PayloadSchemaType.BOOL,
    "day": models.PayloadSchemaType.DATETIME,
    "tags": models.PayloadSchemaType.KEYWORD,
    "meta.owner": models.PayloadSchemaType.KEYWORD,
    "meta.deep.level": models.PayloadSchemaType.INTEGER,
    "parts[].kind": models.PayloadSchemaType.KEYWORD,
    "maybe": models.PayloadSchemaType.KEYWORD,
}

Field = models.FieldCondition
Condition = models.Condition


def moment(days: int) -> datetime:
    return EPOCH + timedelta(days=days)


def payload(rng: random.Random) -> dict[str, Any]:
    """Draw a payload with missing, null, empty, single and repeated values."""
    values: dict[str, Any] = {
        "word": rng.choice(WORDS),
        "number": rng.randrange(10),
        "weight": rng.random() * 10,
        "flag": rng.random() < 0.5,
        "day": moment(rng.randrange(30)).isoformat().replace("+00:00", "Z"),
        "tags": rng.sample(WORDS, rng.randrange(4)),
        "text": " ".join(rng.choices(WORDS, k=rng.randrange(1, 5))),
        "maybe": rng.choice([None, [], "here", [None], 3]),
        "meta": {"owner": rng.choice(WORDS), "deep": {"level": rng.randrange(5)}},
        "parts": [
            {"kind": rng.choice(WORDS), "size": rng.randrange(6)} for _ in range(rng.randrange(4))
        ],
    }
    return {key: value for key, value in values.items() if rng.random() < 0.85}


def field_condition(rng: random.Random) -> Condition:
    low, high = sorted(rng.sample(range(10), 2))
    some = rng.sample(WORDS, 2)
    numbers = rng.sample(range(10), 3)
    conditions: list[Condition] = [
        Field(key="word", match=models.MatchValue(value=some[0])),
        Field(key="number", match=models.MatchValue(value=low)),
        Field(key="flag", match=models.MatchValue(value=rng.random() < 0.5)),
        Field(key="word", match=models.MatchAny(any=some)),
        Field(key="number", match=models.MatchAny(any=numbers)),
        Field(key="word", match=models.MatchExcept(**{"except": some})),
        Field(key="number", match=models.MatchExcept(**{"except": numbers})),
        Field(key="tags", match=models.MatchValue(value=some[0])),
        Field(key="tags", match=models.MatchAny(any=some)),
        Field(key="text", match=models.MatchText(text=some[0])),
        Field(key="number", range=models.Range(gte=low, lt=high)),
        Field(key="weight", range=models.Range(gt=low, lte=high)),
        Field(key="day", range=models.DatetimeRange(gte=moment(low), lt=moment(high * 3))),
        Field(key="tags", values_count=models.ValuesCount(gte=1, lt=3)),
        Field(key="parts", values_count=models.ValuesCount(gt=1)),
        Field(key="meta.owner", match=models.MatchValue(value=some[0])),
        Field(key="meta.deep.level", range=models.Range(gte=low / 2)),
        Field(key="parts[].kind", match=models.MatchValue(value=some[0])),
        Field(key="parts[].size", range=models.Range(gt=low)),
        models.IsEmptyCondition(is_empty=models.PayloadField(key="maybe")),
        models.IsEmptyCondition(is_empty=models.PayloadField(key="tags")),
        models.IsNullCondition(is_null=models.PayloadField(key="maybe")),
        models.HasIdCondition(has_id=rng.sample(range(POINTS), 40)),
        models.NestedCondition(
            nested=models.Nested(
                key="parts",
                filter=models.Filter(
                    must=[
                        Field(key="kind", match=models.MatchAny(any=some)),
                        Field(key="size", range=models.Range(gte=low / 2)),
                    ]
                ),
            )
        ),
    ]
    return rng.choice(conditions)


def condition(rng: random.Random, depth: int) -> Condition:
    return draw_filter(rng, depth - 1) if depth and rng.random() < 0.3 else field_condition(rng)


def draw_filter(rng: random.Random, depth: int = 2) -> models.Filter:
    def some() -> list[Condition] | None:
        return [condition(rng, depth) for _ in range(rng.randrange(1, 4))] or None

    clauses = rng.sample(["must", "should", "must_not", "min_should"], rng.randrange(1, 3))
    return models.Filter(
        must=some() if "must" in clauses else None,
        should=some() if "should" in clauses else None,
        must_not=some() if "must_not" in clauses else None,
        min_should=models.MinShould(conditions=some() or [], min_count=2)
        if "min_should" in clauses
        else None,
    )


@pytest.fixture(scope="module")
def reference() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def found(client: QdrantClient, name: str, asked: models.Filter) -> list[Any]:
    points, _ = client.scroll(name, scroll_filter=asked, limit=POINTS, with_payload=False)
    return [point.id for point in points]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("indexed", [False, True], ids=["plain", "indexed"])
def test_random_filters_find_what_the_reference_finds(
    client: QdrantClient, reference: QdrantClient, collection: str, seed: int, indexed: bool
) -> None:
    rng = random.Random(seed)
    points = [
        models.PointStruct(id=i, vector=[1.0] * VECTOR_SIZE, payload=payload(rng))
        for i in range(POINTS)
    ]
    vectors = models.VectorParams(size=VECTOR_SIZE, distance=models.Distance.DOT)
    reference.create_collection(collection, vectors_config=vectors)
    for one in (reference, client):
        one.upsert(collection, points)
    if indexed:
        for key, schema in INDEXES.items():
            client.create_payload_index(collection, key, schema)

    asked = [draw_filter(rng) for _ in range(QUESTIONS)]
    differing = [
        (one.model_dump_json(exclude_none=True), ours, theirs)
        for one in asked
        if (ours := found(client, collection, one)) != (theirs := found(reference, collection, one))
    ]

    assert differing == []


@pytest.mark.parametrize("seed", range(2))
def test_random_filters_narrow_a_search_as_the_reference_does(
    client: QdrantClient, reference: QdrantClient, collection: str, seed: int
) -> None:
    rng = random.Random(100 + seed)
    points = [
        models.PointStruct(
            id=i, vector=[rng.random() for _ in range(VECTOR_SIZE)], payload=payload(rng)
        )
        for i in range(POINTS)
    ]
    vectors = models.VectorParams(size=VECTOR_SIZE, distance=models.Distance.DOT)
    reference.create_collection(collection, vectors_config=vectors)
    for one in (reference, client):
        one.upsert(collection, points)
    question = [rng.random() for _ in range(VECTOR_SIZE)]
    asked = [draw_filter(rng) for _ in range(QUESTIONS)]

    def answers(one: QdrantClient, narrowed: models.Filter) -> list[Any]:
        hits = one.query_points(collection, query=question, query_filter=narrowed, limit=10).points
        return [hit.id for hit in hits]

    assert [answers(client, a) for a in asked] == [answers(reference, a) for a in asked]
