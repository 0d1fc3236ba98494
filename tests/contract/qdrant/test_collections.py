"""Collections, aliases, payload indexes and snapshots, through the unmodified client."""

from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.contract.qdrant.conftest import VECTOR_SIZE

SMALL = models.VectorParams(size=VECTOR_SIZE, distance=models.Distance.DOT)


def status(raised: pytest.ExceptionInfo[UnexpectedResponse]) -> int | None:
    return raised.value.status_code


def test_a_new_collection_is_listed_exists_and_tells_its_settings(
    client: QdrantClient,
) -> None:
    name = f"contract-{uuid4().hex}"

    client.create_collection(
        name,
        vectors_config={"text-dense": models.VectorParams(size=8, distance=models.Distance.COSINE)},
        sparse_vectors_config={
            "text-sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)
        },
        hnsw_config=models.HnswConfigDiff(m=24, payload_m=16),
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        ),
        on_disk_payload=True,
    )
    info = client.get_collection(name)
    listed = [one.name for one in client.get_collections().collections]
    exists = client.collection_exists(name)
    client.delete_collection(name)

    assert exists
    assert name in listed
    assert isinstance(info.config.params.vectors, dict)
    assert info.config.params.vectors["text-dense"].size == 8
    assert info.config.params.vectors["text-dense"].distance == models.Distance.COSINE
    assert list(info.config.params.sparse_vectors or {}) == ["text-sparse"]
    assert info.config.hnsw_config.m == 24
    assert info.points_count == 0
    assert not client.collection_exists(name)


def test_a_second_collection_of_the_same_name_is_a_conflict(
    client: QdrantClient, collection: str
) -> None:
    with pytest.raises(UnexpectedResponse, match="already exists") as raised:
        client.create_collection(collection, vectors_config=SMALL)

    assert status(raised) == 409


def test_an_unknown_collection_is_not_found(client: QdrantClient) -> None:
    with pytest.raises(UnexpectedResponse, match="Collection `never-made` doesn") as raised:
        client.get_collection("never-made")

    assert status(raised) == 404


def test_settings_of_a_collection_can_be_changed(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [models.PointStruct(id=1, vector=[1.0, 0.0, 0.0, 0.0], payload={})])

    client.update_collection(
        collection,
        hnsw_config=models.HnswConfigDiff(m=32),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=5000),
    )
    config = client.get_collection(collection).config

    assert config.hnsw_config.m == 32
    assert config.hnsw_config.ef_construct == 100
    assert config.optimizer_config.indexing_threshold == 5000
    assert client.count(collection).count == 1


def test_an_alias_leads_to_its_collection_until_it_is_deleted(
    client: QdrantClient, collection: str
) -> None:
    alias, renamed = f"alias-{uuid4().hex}", f"alias-{uuid4().hex}"
    client.upsert(collection, [models.PointStruct(id=1, vector=[1.0, 0.0, 0.0, 0.0], payload={})])
    create = models.CreateAlias(collection_name=collection, alias_name=alias)
    rename = models.RenameAlias(old_alias_name=alias, new_alias_name=renamed)

    client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
    through_alias = client.count(alias).count
    client.update_collection_aliases([models.RenameAliasOperation(rename_alias=rename)])
    named = [one.alias_name for one in client.get_collection_aliases(collection).aliases]
    every = [one.alias_name for one in client.get_aliases().aliases]
    delete = models.DeleteAlias(alias_name=renamed)
    client.update_collection_aliases([models.DeleteAliasOperation(delete_alias=delete)])

    assert through_alias == 1
    assert named == [renamed]
    assert renamed in every
    assert client.get_collection_aliases(collection).aliases == []


@pytest.mark.parametrize(
    "schema",
    [
        models.PayloadSchemaType.KEYWORD,
        models.PayloadSchemaType.INTEGER,
        models.PayloadSchemaType.FLOAT,
        models.PayloadSchemaType.BOOL,
        models.PayloadSchemaType.DATETIME,
        models.PayloadSchemaType.UUID,
        models.PayloadSchemaType.TEXT,
    ],
)
def test_a_payload_index_is_told_until_it_is_deleted(
    client: QdrantClient, collection: str, schema: models.PayloadSchemaType
) -> None:
    client.create_payload_index(collection, "meta.field", schema)
    told = client.get_collection(collection).payload_schema
    client.delete_payload_index(collection, "meta.field")

    assert told["meta.field"].data_type == schema
    assert client.get_collection(collection).payload_schema == {}


def test_a_payload_index_tells_the_parameters_it_was_made_with(
    client: QdrantClient, collection: str
) -> None:
    params = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)

    client.create_payload_index(collection, "meta.tenant", params)
    told = client.get_collection(collection).payload_schema["meta.tenant"]

    assert told.data_type == models.PayloadSchemaType.KEYWORD
    assert isinstance(told.params, models.KeywordIndexParams)
    assert told.params.is_tenant is True


def test_a_snapshot_is_made_listed_and_deleted(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [models.PointStruct(id=1, vector=[1.0, 0.0, 0.0, 0.0], payload={})])

    made = client.create_snapshot(collection)
    listed = client.list_snapshots(collection)
    assert made is not None
    client.delete_snapshot(collection, made.name)

    assert made.size > 0
    assert made.checksum is not None
    assert [one.name for one in listed] == [made.name]
    assert client.list_snapshots(collection) == []
