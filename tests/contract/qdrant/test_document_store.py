"""Haystack's unmodified QdrantDocumentStore works on the server."""

import asyncio
import random
from collections.abc import Iterator
from uuid import uuid4

import pytest
from haystack import Document
from haystack.dataclasses import SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.retrievers.qdrant import (
    QdrantEmbeddingRetriever,
    QdrantHybridRetriever,
)
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

DIMENSION = 16


def make_store(url: str, *, sparse: bool = False) -> QdrantDocumentStore:
    return QdrantDocumentStore(
        url=url,
        index=f"contract-{uuid4().hex}",
        embedding_dim=DIMENSION,
        similarity="cosine",
        use_sparse_embeddings=sparse,
        sparse_idf=sparse,
        timeout=30,
        progress_bar=False,
        payload_fields_to_index=[{"field_name": "meta.document_id", "field_schema": "keyword"}],
    )


@pytest.fixture
def store(url: str) -> Iterator[QdrantDocumentStore]:
    store = make_store(url)
    yield store
    assert store._client is not None
    store._client.delete_collection(store.index)
    store.close()


def embedding(seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0, 1) for _ in range(DIMENSION)]


def documents(count: int) -> list[Document]:
    return [
        Document(
            id=f"chunk-{i}",
            content=f"passage number {i}",
            embedding=embedding(i),
            meta={"document_id": f"doc-{i % 4}", "page": i, "when": f"2026-01-{i % 28 + 1:02d}"},
        )
        for i in range(count)
    ]


def document_is(name: str) -> dict[str, object]:
    return {"field": "meta.document_id", "operator": "==", "value": name}


def test_documents_come_back_as_they_were_written(store: QdrantDocumentStore) -> None:
    written = store.write_documents(documents(20), DuplicatePolicy.OVERWRITE)

    found = {document.id: document for document in store.filter_documents()}

    assert written == store.count_documents() == len(found) == 20
    assert found["chunk-3"].content == "passage number 3"
    assert found["chunk-3"].meta == {"document_id": "doc-3", "page": 3, "when": "2026-01-04"}


def test_writing_again_overwrites_skips_or_fails_as_asked(store: QdrantDocumentStore) -> None:
    store.write_documents(documents(3))
    changed = Document(id="chunk-1", content="changed", embedding=embedding(1))

    store.write_documents([changed], DuplicatePolicy.OVERWRITE)
    overwritten = store.get_documents_by_id(["chunk-1"])[0].content
    store.write_documents(documents(2), DuplicatePolicy.SKIP)
    skipped = store.get_documents_by_id(["chunk-1"])[0].content

    assert (overwritten, skipped) == ("changed", "changed")
    assert store.count_documents() == 3
    with pytest.raises(DuplicateDocumentError):
        store.write_documents([changed], DuplicatePolicy.FAIL)


@pytest.mark.parametrize(
    ("filters", "pages"),
    [
        (document_is("doc-1"), {1, 5, 9}),
        ({"field": "meta.page", "operator": ">=", "value": 10}, {10, 11}),
        ({"field": "meta.document_id", "operator": "in", "value": ["doc-2"]}, {2, 6, 10}),
        ({"field": "meta.page", "operator": "not in", "value": list(range(10))}, {10, 11}),
        ({"field": "meta.when", "operator": "<", "value": "2026-01-03T00:00:00"}, {0, 1}),
        (
            {
                "operator": "AND",
                "conditions": [
                    document_is("doc-3"),
                    {
                        "operator": "NOT",
                        "conditions": [{"field": "meta.page", "operator": "==", "value": 7}],
                    },
                ],
            },
            {3, 11},
        ),
        (
            {"operator": "OR", "conditions": [document_is("doc-0"), document_is("doc-1")]},
            {0, 4, 8, 1, 5, 9},
        ),
    ],
)
def test_filters_choose_documents(
    store: QdrantDocumentStore, filters: dict[str, object], pages: set[int]
) -> None:
    store.write_documents(documents(12))

    found = store.filter_documents(filters=filters)

    assert {document.meta["page"] for document in found} == pages


def test_deleting_by_filter_removes_all_chunks_of_a_document(store: QdrantDocumentStore) -> None:
    store.write_documents(documents(12))

    removed = store.delete_by_filter(document_is("doc-2"))

    assert removed == 3
    assert store.count_documents() == 9
    assert store.filter_documents(filters=document_is("doc-2")) == []


def test_documents_are_deleted_by_id_and_all_at_once(store: QdrantDocumentStore) -> None:
    store.write_documents(documents(5))

    store.delete_documents(["chunk-0", "chunk-1", "never-written"])
    remaining = store.count_documents()
    store.delete_all_documents()

    assert remaining == 3
    assert store.count_documents() == 0


def test_an_embedding_finds_its_own_passage_first(store: QdrantDocumentStore) -> None:
    store.write_documents(documents(50))
    retriever = QdrantEmbeddingRetriever(document_store=store, top_k=5)

    everywhere = retriever.run(query_embedding=embedding(17))["documents"]
    narrowed = retriever.run(query_embedding=embedding(17), filters=document_is("doc-2"))

    assert everywhere[0].id == "chunk-17"
    assert everywhere[0].score == pytest.approx(1.0, abs=1e-3)
    assert len(everywhere) == 5
    assert {d.meta["document_id"] for d in narrowed["documents"]} == {"doc-2"}


def test_results_are_grouped_by_document(store: QdrantDocumentStore) -> None:
    store.write_documents(documents(40))
    retriever = QdrantEmbeddingRetriever(
        document_store=store, top_k=3, group_by="meta.document_id", group_size=2
    )

    found = retriever.run(query_embedding=embedding(17))["documents"]

    assert found[0].id == "chunk-17"
    assert len({document.meta["document_id"] for document in found}) == 3
    assert len(found) == 6


def test_dense_and_sparse_results_are_fused(url: str) -> None:
    store = make_store(url, sparse=True)
    store.write_documents(
        [
            Document(
                id=f"chunk-{i}",
                content=f"passage {i}",
                embedding=embedding(i),
                sparse_embedding=SparseEmbedding(indices=[i, 100], values=[1.0, 0.5]),
            )
            for i in range(10)
        ]
    )
    retriever = QdrantHybridRetriever(document_store=store, top_k=3)

    found = retriever.run(
        query_embedding=embedding(4),
        query_sparse_embedding=SparseEmbedding(indices=[4], values=[1.0]),
    )["documents"]
    assert store._client is not None
    store._client.delete_collection(store.index)
    store.close()

    assert found[0].id == "chunk-4"


def test_the_asynchronous_calls_do_the_same(url: str) -> None:
    store = make_store(url)

    async def journey() -> tuple[int, str, int, int]:
        written = await store.write_documents_async(documents(30), DuplicatePolicy.OVERWRITE)
        retriever = QdrantEmbeddingRetriever(document_store=store, top_k=2)
        hits = (await retriever.run_async(query_embedding=embedding(9)))["documents"]
        removed = await store.delete_by_filter_async(document_is("doc-1"))
        left = await store.count_documents_async()
        assert store._async_client is not None
        await store._async_client.delete_collection(store.index)
        await store._async_client.close()
        return written, hits[0].id, removed, left

    assert asyncio.run(journey()) == (30, "chunk-9", 8, 22)
