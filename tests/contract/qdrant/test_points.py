"""Writing, reading and changing points, through the unmodified client."""

from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

UUID = str(uuid4())


def points(count: int) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=i,
            vector=[float(i), 1.0, 0.0, 0.0],
            payload={"n": i, "group": f"g{i % 3}", "meta": {"file": f"f{i}.pdf", "page": i}},
        )
        for i in range(count)
    ]


def test_points_come_back_as_they_were_written(client: QdrantClient, collection: str) -> None:
    payload = {
        "text": "Grüße 🌍",
        "list": [1, 2.5, None, True, {"a": []}],
        "big": 2**53,
        "no": None,
    }
    client.upsert(
        collection,
        [
            models.PointStruct(id=7, vector=[0.5, -1.0, 2.0, 3.0], payload=payload),
            models.PointStruct(id=UUID, vector=[1.0, 0.0, 0.0, 0.0], payload=None),
        ],
    )

    found = client.retrieve(collection, [7, UUID, 99], with_vectors=True)

    by_id = {record.id: record for record in found}
    assert set(by_id) == {7, UUID}
    assert by_id[7].payload == payload
    assert by_id[7].vector == [0.5, -1, 2, 3]
    assert by_id[UUID].payload in ({}, None)


def test_points_written_as_columns_are_the_same_as_rows(
    client: QdrantClient, collection: str
) -> None:
    columns = models.Batch(
        ids=[1, 2], vectors=[[1.0, 0, 0, 0], [0, 1.0, 0, 0]], payloads=[{"a": 1}, {"a": 2}]
    )

    client.upsert(collection, columns)
    found = client.retrieve(collection, [1, 2], with_vectors=True)

    assert {record.id: record.payload for record in found} == {1: {"a": 1}, 2: {"a": 2}}


def test_a_point_written_again_is_replaced(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(3))

    client.upsert(
        collection, [models.PointStruct(id=1, vector=[9.0, 9.0, 9.0, 9.0], payload={"new": 1})]
    )
    record = client.retrieve(collection, [1], with_vectors=True)[0]

    assert record.payload == {"new": 1}
    assert record.vector == [9, 9, 9, 9]
    assert client.count(collection).count == 3


def test_a_condition_and_a_mode_limit_what_an_upsert_touches(
    client: QdrantClient, collection: str
) -> None:
    client.upsert(collection, points(2))
    both = [
        models.PointStruct(id=i, vector=[1.0, 1.0, 1.0, 1.0], payload={"new": 1}) for i in (1, 5)
    ]

    client.upsert(collection, both, update_mode=models.UpdateMode.INSERT_ONLY)

    found = {r.id: r.payload for r in client.retrieve(collection, [1, 5])}
    assert found[5] == {"new": 1}
    assert (found[1] or {})["n"] == 1


def test_scrolling_meets_every_point_once(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(25))
    seen: list[models.ExtendedPointId] = []
    page, offset = client.scroll(collection, limit=10)
    seen += [record.id for record in page]
    pages = 1

    while offset is not None:
        page, offset = client.scroll(collection, limit=10, offset=offset)
        seen += [record.id for record in page]
        pages += 1

    assert seen == list(range(25))
    assert pages == 3


def test_scrolling_can_follow_a_payload_value(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(10))
    client.create_payload_index(collection, "n", models.PayloadSchemaType.INTEGER)
    downwards = models.OrderBy(key="n", direction=models.Direction.DESC, start_from=6)

    page, _ = client.scroll(collection, order_by=downwards, limit=3)

    assert [record.id for record in page] == [6, 5, 4]


def test_payload_and_vectors_can_be_chosen(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(1))

    def payload(wanted: models.WithPayloadInterface) -> object:
        return client.retrieve(collection, [0], with_payload=wanted)[0].payload

    assert payload(False) is None
    assert payload(["n"]) == {"n": 0}
    assert payload(models.PayloadSelectorInclude(include=["meta.page"])) == {"meta": {"page": 0}}
    excluded = models.PayloadSelectorExclude(exclude=["meta", "group"])
    assert payload(excluded) == {"n": 0}
    assert client.retrieve(collection, [0])[0].vector is None


def test_points_are_deleted_by_id_and_by_filter(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(9))
    group = models.FieldCondition(key="group", match=models.MatchValue(value="g0"))

    client.delete(collection, models.PointIdsList(points=[1, 2, 4711]))
    after_ids = client.count(collection).count
    client.delete(collection, models.FilterSelector(filter=models.Filter(must=[group])))
    after_filter = client.count(collection).count
    client.delete(collection, models.FilterSelector(filter=models.Filter(must=[])))

    assert (after_ids, after_filter, client.count(collection).count) == (7, 4, 0)


def test_payloads_are_set_overwritten_deleted_and_cleared(
    client: QdrantClient, collection: str
) -> None:
    client.upsert(collection, points(3))

    def payload(point: int) -> dict[str, object]:
        return client.retrieve(collection, [point])[0].payload or {}

    client.set_payload(collection, {"x": 1}, points=[0])
    client.set_payload(collection, {"page": 8}, points=[1], key="meta")
    client.overwrite_payload(collection, {"only": 1}, points=[2])
    client.delete_payload(collection, ["group"], points=[0])

    assert payload(0) == {"n": 0, "x": 1, "meta": {"file": "f0.pdf", "page": 0}}
    assert payload(1)["meta"] == {"file": "f1.pdf", "page": 8}
    assert payload(2) == {"only": 1}
    client.clear_payload(collection, points_selector=models.PointIdsList(points=[2]))
    assert payload(2) == {}


def test_payloads_are_set_by_filter(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(6))
    group = models.FieldCondition(key="group", match=models.MatchValue(value="g1"))
    marked = models.FieldCondition(key="mark", match=models.MatchValue(value=True))

    client.set_payload(collection, {"mark": True}, points=models.Filter(must=[group]))

    assert client.count(collection, count_filter=models.Filter(must=[marked])).count == 2


def test_vectors_are_updated_and_the_payload_stays(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(2))

    client.update_vectors(collection, [models.PointVectors(id=1, vector=[4.0, 3.0, 2.0, 1.0])])
    record = client.retrieve(collection, [1], with_vectors=True)[0]

    assert record.vector == [4, 3, 2, 1]
    assert (record.payload or {})["n"] == 1


def test_a_batch_of_operations_is_applied_in_order(client: QdrantClient, collection: str) -> None:
    client.batch_update_points(
        collection,
        [
            models.UpsertOperation(upsert=models.PointsList(points=points(3))),
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload={"late": 1}, points=[1])
            ),
            models.DeleteOperation(delete=models.PointIdsList(points=[0])),
        ],
    )

    page, _ = client.scroll(collection)
    assert [record.id for record in page] == [1, 2]
    assert (page[0].payload or {})["late"] == 1


def test_values_of_a_field_are_counted(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, points(7))
    client.create_payload_index(collection, "group", models.PayloadSchemaType.KEYWORD)

    hits = client.facet(collection, "group", exact=True).hits

    assert {hit.value: hit.count for hit in hits} == {"g0": 3, "g1": 2, "g2": 2}


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1.0, 2.0], "expected dim: 4, got 2"),
        ({"other": [1.0, 2.0, 3.0, 4.0]}, "Not existing vector name"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused_and_nothing_of_its_batch_is_kept(
    client: QdrantClient,
    collection: str,
    vector: list[float] | dict[str, list[float]],
    message: str,
) -> None:
    good = models.PointStruct(id=1, vector=[1.0, 2.0, 3.0, 4.0], payload={})
    bad = models.PointStruct(id=2, vector=dict(vector) if isinstance(vector, dict) else vector)

    with pytest.raises(UnexpectedResponse, match=message) as raised:
        client.upsert(collection, [good, bad])

    assert raised.value.status_code == 400
    assert client.count(collection).count == 0


def test_a_point_that_is_not_there_cannot_be_changed(client: QdrantClient, collection: str) -> None:
    with pytest.raises(UnexpectedResponse) as raised:
        client.update_vectors(
            collection, [models.PointVectors(id=404, vector=[1.0, 2.0, 3.0, 4.0])]
        )

    assert raised.value.status_code == 404
