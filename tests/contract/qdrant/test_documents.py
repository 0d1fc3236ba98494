"""What indexing asks of the server: written, listed and deleted by document."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
from haystack import Document
from qdrant_client import QdrantClient

from app.backup.points import PointLines
from pipelines.passages import Passages
from pipelines.points import Points
from pipelines.settings import StoreSettings
from tests.contract.qdrant.conftest import VECTOR_SIZE


def passages(document_id: str, count: int) -> Passages:
    meta = {"document_id": document_id, "headings": ["Pumps", "Oil"]}
    return Passages(
        documents=[Document(id=f"{n}", content=f"text {n}", meta=meta) for n in range(count)],
        ids=[str(uuid4()) for _ in range(count)],
        vectors=np.ones((count, VECTOR_SIZE), np.float32),
    )


def test_points_are_written_listed_and_deleted_by_document(
    url: str, client: QdrantClient, collection: str
) -> None:
    one, two = passages("one", 130), passages("two", 3)

    async def use() -> tuple[set[str], set[str], int, set[str]]:
        points = Points(StoreSettings(url=url, dimension=VECTOR_SIZE), collection)
        try:
            await points.write(one)
            await points.write(two)
            written = await points.ids("one")
            await points.delete(list(one.ids[:100]))
            left = await points.ids("one")
            removed = await points.delete_document("one")
            return written, left, removed, await points.ids("two")
        finally:
            await points.close()

    written, left, removed, other = asyncio.run(use())

    assert written == set(one.ids)
    assert left == set(one.ids[100:])
    assert removed == 30
    assert other == set(two.ids)
    (record,) = client.retrieve(collection, [UUID(two.ids[0])], with_vectors=True)
    assert record.vector == [1.0] * VECTOR_SIZE
    assert record.payload == {
        "id": "0",
        "content": "text 0",
        "meta": {"document_id": "two", "headings": ["Pumps", "Oil"]},
    }


def test_points_of_some_documents_are_saved_and_all_are_cleared_before_they_come_back(
    url: str, client: QdrantClient, collection: str, tmp_path: Path
) -> None:
    settings = StoreSettings(url=url, dimension=VECTOR_SIZE)
    sizes = {"one": 300, "two": 3, "three": 2}

    async def use() -> tuple[int, int, int, int]:
        points, lines = Points(settings, collection), PointLines(settings, collection)
        try:
            for name, count in sizes.items():
                await points.write(passages(name, count))
            saved = await lines.save(tmp_path / "some", ["one", "three", "absent"])
            await lines.save(tmp_path / "all")
            await lines.clear()
            left = client.count(collection).count
            first = await lines.load(tmp_path / "all", without={"one", "two"})
            return saved, left, first, await lines.load(tmp_path / "some", without={"three"})
        finally:
            await points.close()
            await lines.close()

    assert asyncio.run(use()) == (302, 0, 2, 300)
    assert client.count(collection).count == 302
