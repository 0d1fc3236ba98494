"""Queries of every kind in the subset, compared with what must come out."""

import random
from collections.abc import Iterator
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

TEXTS = (
    "the amber lamp is on the table",
    "a birch grows beside the river",
    "amber amber amber is a stone",
    "the river runs to the sea",
)


@pytest.fixture
def axes(client: QdrantClient, collection: str) -> str:
    """Fill a collection with eight points on a line, so that order is known."""
    client.upsert(
        collection,
        [
            models.PointStruct(
                id=i,
                vector=[float(i), 0.0, 0.0, 0.0],
                payload={"side": "even" if i % 2 == 0 else "odd", "tags": ["all", f"t{i % 4}"]},
            )
            for i in range(8)
        ],
    )
    return collection


@pytest.fixture(scope="module")
def hybrid(client: QdrantClient) -> Iterator[str]:
    """Fill a collection of texts with named dense and sparse vectors."""
    name = f"contract-{uuid4().hex}"
    client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)},
        sparse_vectors_config={"sparse": models.SparseVectorParams()},
    )
    client.upsert(
        name,
        [
            models.PointStruct(
                id=i,
                vector={
                    "dense": [1.0 if j == i else 0.1 * (1 + j * i) for j in range(4)],
                    "sparse": models.SparseVector(indices=[i, 10], values=[2.0, 1.0 + i / 8]),
                },
                payload={"content": text},
            )
            for i, text in enumerate(TEXTS)
        ],
    )
    scoring = models.TextIndexParams(type=models.TextIndexType.TEXT, scoring=True)
    client.create_payload_index(name, "content", scoring)
    yield name
    client.delete_collection(name)


def as_input(vector: models.VectorStructOutput | None) -> models.VectorStruct:
    """Name what the client returns as what it takes; they differ in type only."""
    assert isinstance(vector, dict)
    return dict(vector)


def ids(answer: models.QueryResponse) -> list[models.ExtendedPointId]:
    return [point.id for point in answer.points]


def test_the_nearest_come_first_with_their_scores(client: QdrantClient, axes: str) -> None:
    answer = client.query_points(axes, query=[2.0, 0, 0, 0], limit=3, with_payload=False)

    assert [(p.id, p.score, p.payload) for p in answer.points] == [
        (7, 14.0, None),
        (6, 12.0, None),
        (5, 10.0, None),
    ]


def test_filter_threshold_offset_and_selection_narrow_a_query(
    client: QdrantClient, axes: str
) -> None:
    even = models.FieldCondition(key="side", match=models.MatchValue(value="even"))

    filtered = client.query_points(
        axes, query=[1.0, 0, 0, 0], query_filter=models.Filter(must=[even]), limit=2
    )
    above = client.query_points(axes, query=[1.0, 0, 0, 0], score_threshold=5.5)
    later = client.query_points(axes, query=[1.0, 0, 0, 0], limit=2, offset=3)
    chosen = client.query_points(
        axes, query=[1.0, 0, 0, 0], limit=1, with_payload=["side"], with_vectors=True
    )

    assert ids(filtered) == [6, 4]
    assert ids(above) == [7, 6]
    assert ids(later) == [4, 3]
    assert chosen.points[0].payload == {"side": "odd"}
    assert chosen.points[0].vector == [7.0, 0, 0, 0]


def test_a_query_without_a_vector_gives_points_by_id(client: QdrantClient, axes: str) -> None:
    answer = client.query_points(axes, limit=3)

    assert ids(answer) == [0, 1, 2]


def test_a_point_answers_for_its_neighbours_but_not_itself(client: QdrantClient, axes: str) -> None:
    answer = client.query_points(axes, query=7, limit=2)

    assert ids(answer) == [6, 5]


def test_an_unknown_point_has_no_neighbours(client: QdrantClient, axes: str) -> None:
    with pytest.raises(UnexpectedResponse, match="No point with id 4711") as raised:
        client.query_points(axes, query=4711)

    assert raised.value.status_code == 404


@pytest.mark.parametrize("strategy", list(models.RecommendStrategy))
def test_recommendations_leave_out_their_examples(
    client: QdrantClient, axes: str, strategy: models.RecommendStrategy
) -> None:
    asked = models.RecommendInput(positive=[5, 7], negative=[0], strategy=strategy)

    answer = client.query_points(axes, query=models.RecommendQuery(recommend=asked), limit=3)

    assert set(ids(answer)).isdisjoint({0, 5, 7})
    assert len(answer.points) == 3


def test_the_average_of_examples_is_the_same_as_the_reference_makes_it(
    client: QdrantClient, collection: str
) -> None:
    rng = random.Random(5)
    points = [
        models.PointStruct(id=i, vector=[rng.random() for _ in range(4)], payload={})
        for i in range(50)
    ]
    reference = QdrantClient(":memory:")
    size = models.VectorParams(size=4, distance=models.Distance.DOT)
    reference.create_collection(collection, vectors_config=size)
    asked = models.RecommendQuery(
        recommend=models.RecommendInput(positive=[1, 2, [0.1, 0.9, 0.2, 0.3]], negative=[3])
    )

    answers = []
    for one in (client, reference):
        one.upsert(collection, points)
        answers.append(ids(one.query_points(collection, query=asked, limit=10)))
    reference.close()

    assert answers[0] == answers[1]


def test_a_batch_of_queries_answers_each_in_order(client: QdrantClient, axes: str) -> None:
    answers = client.query_batch_points(
        axes,
        [
            models.QueryRequest(query=[1.0, 0, 0, 0], limit=1),
            models.QueryRequest(query=[-1.0, 0, 0, 0], limit=2, with_payload=True),
        ],
    )

    assert [ids(answer) for answer in answers] == [[7], [0, 1]]
    assert answers[0].points[0].payload is None
    assert (answers[1].points[0].payload or {})["side"] == "even"


def test_hits_are_grouped_by_a_payload_value(client: QdrantClient, axes: str) -> None:
    groups = client.query_points_groups(
        axes, query=[1.0, 0, 0, 0], group_by="side", group_size=2, limit=5, with_payload=["side"]
    ).groups

    assert [(g.id, [hit.id for hit in g.hits]) for g in groups] == [
        ("odd", [7, 5]),
        ("even", [6, 4]),
    ]
    assert groups[0].hits[0].payload == {"side": "odd"}


def test_a_point_with_several_values_is_in_several_groups(client: QdrantClient, axes: str) -> None:
    groups = client.query_points_groups(
        axes, query=[1.0, 0, 0, 0], group_by="tags", group_size=1, limit=5
    ).groups

    assert {group.id: group.hits[0].id for group in groups} == {
        "all": 7,
        "t3": 7,
        "t2": 6,
        "t1": 5,
        "t0": 4,
    }


def test_sparse_vectors_are_searched_by_name(client: QdrantClient, hybrid: str) -> None:
    question = models.SparseVector(indices=[2], values=[1.0])

    answer = client.query_points(hybrid, query=question, using="sparse", with_vectors=["sparse"])

    assert ids(answer) == [2]
    vector = answer.points[0].vector
    assert isinstance(vector, dict)
    assert vector["sparse"] == models.SparseVector(indices=[2, 10], values=[2.0, 1.25])


BRANCHES = [
    models.Prefetch(query=[1.0, 0.1, 0.1, 0.1], using="dense", limit=4),
    models.Prefetch(query=models.SparseVector(indices=[10, 0], values=[1.0, 0.5]), using="sparse"),
]


@pytest.mark.parametrize(
    "fusion",
    [
        models.FusionQuery(fusion=models.Fusion.RRF),
        models.FusionQuery(fusion=models.Fusion.DBSF),
        models.RrfQuery(rrf=models.Rrf(k=60)),
        models.RrfQuery(rrf=models.Rrf(k=10, weights=[1.0, 2.0])),
    ],
)
def test_branches_are_fused_as_the_reference_fuses_them(
    client: QdrantClient, hybrid: str, fusion: models.Query
) -> None:
    reference = QdrantClient(":memory:")
    reference.create_collection(
        hybrid,
        vectors_config={"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)},
        sparse_vectors_config={"sparse": models.SparseVectorParams()},
    )
    records, _ = client.scroll(hybrid, with_vectors=True)
    copied = [models.PointStruct(id=r.id, vector=as_input(r.vector), payload={}) for r in records]
    reference.upsert(hybrid, copied)

    ours, theirs = (
        client.query_points(hybrid, prefetch=BRANCHES, query=fusion, limit=4),
        reference.query_points(hybrid, prefetch=BRANCHES, query=fusion, limit=4),
    )
    reference.close()

    assert [p.score for p in ours.points] == pytest.approx(
        [p.score for p in theirs.points], abs=1e-5
    )
    assert ids(ours)[0] == ids(theirs)[0] == 0


def test_words_are_ranked_over_a_scoring_text_index(client: QdrantClient, hybrid: str) -> None:
    answer = client.query_points(
        hybrid, query=models.TextQuery(text="amber"), using="content", limit=3
    )

    assert ids(answer) == [2, 0]
    assert answer.points[0].score > answer.points[1].score


def test_words_and_vectors_are_fused(client: QdrantClient, hybrid: str) -> None:
    answer = client.query_points(
        hybrid,
        prefetch=[
            models.Prefetch(query=models.TextQuery(text="birch river"), using="content", limit=50),
            models.Prefetch(query=[0.1, 1.0, 0.1, 0.1], using="dense", limit=50),
        ],
        query=models.RrfQuery(rrf=models.Rrf(k=60)),
        limit=2,
        with_payload=True,
    )

    assert ids(answer)[0] == 1
    assert (answer.points[0].payload or {})["content"] == TEXTS[1]


def test_words_need_an_index_that_scores(client: QdrantClient, axes: str) -> None:
    with pytest.raises(UnexpectedResponse, match="text index") as raised:
        client.query_points(axes, query=models.TextQuery(text="even"), using="side")

    assert raised.value.status_code == 400


def test_diverse_results_are_chosen_and_bring_no_unwanted_vectors(
    client: QdrantClient, axes: str
) -> None:
    diverse = models.NearestQuery(nearest=[1.0, 0, 0, 0], mmr=models.Mmr(diversity=0.5))

    answer = client.query_points(axes, query=diverse, limit=3)

    assert len(answer.points) == 3
    assert answer.points[0].vector is None


def test_a_question_of_the_wrong_size_is_refused(client: QdrantClient, axes: str) -> None:
    with pytest.raises(UnexpectedResponse, match="expected dim: 4, got 3") as raised:
        client.query_points(axes, query=[1.0, 2.0, 3.0])

    assert raised.value.status_code == 400
