"""A small real world for the pipelines: a fake NIM and Qdrant's own engine, both over HTTP."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from haystack import Pipeline
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.asking import Asking
from pipelines.document_store import build_document_store, prepare_document_store
from pipelines.indexing import build_indexing_pipeline, index_document
from pipelines.points import Points
from pipelines.query import build_query_pipeline
from pipelines.reading.page import Page
from pipelines.settings import (
    Endpoint,
    Engine,
    IndexingSettings,
    QuerySettings,
    StoreSettings,
)
from tests.app.fake_qdrant import FakeQdrant
from tests.fakes.nim import FakeNim

MANUAL = [
    "The feed pump needs fresh oil every 500 hours. Use only oil of grade ISO 46. "
    "Old oil is burnt in the plant next door.",
    "",
    "The control valve A-113 closes within two seconds. A slow valve must be replaced at once.",
]
CANTEEN = ["The canteen opens at eleven. On Fridays there is fish with potatoes and lemon."]


@dataclass(frozen=True)
class World:
    """What a test needs at hand."""

    nim: FakeNim
    store: QdrantDocumentStore
    indexing: Pipeline
    points: Points
    loop: asyncio.Runner
    engine: Engine
    qdrant: FakeQdrant

    def index(self, document_id: str, name: str, texts: list[str], **more: Any) -> int:
        return self.index_pages(document_id, name, pages_of(texts), **more)

    def index_pages(self, document_id: str, name: str, pages: list[Page], **more: Any) -> int:
        return self.loop.run(
            index_document(self.indexing, self.points, document_id, name, pages, **more)
        )

    def delete(self, document_id: str) -> int:
        return self.loop.run(self.points.delete_document(document_id))

    def asking(self, **settings: Any) -> Asking:
        chosen = query_settings(self.nim.url, **{"engine": self.engine, **settings})
        return Asking(build_query_pipeline(self.store, chosen), chosen, "documents")


def pages_of(texts: list[str]) -> list[Page]:
    return [Page(number=number, text=text) for number, text in enumerate(texts, start=1)]


def endpoint(url: str) -> Endpoint:
    return Endpoint(url=url, model="fake", timeout=5)


def query_settings(url: str, **settings: Any) -> QuerySettings:
    served = endpoint(url)
    defaults: dict[str, Any] = {"min_similarity": 0.1, "attempts": 1}
    return QuerySettings(embedding=served, ranking=served, llm=served, **{**defaults, **settings})


@contextmanager
def a_world(engine: Engine = "fast", **indexing: Any) -> Iterator[World]:
    with FakeNim(dimension=256) as nim, FakeQdrant() as qdrant, asyncio.Runner() as loop:
        served = StoreSettings(url=qdrant.url, dimension=256)
        store = build_document_store(served, "documents")
        prepare_document_store(store)
        settings = IndexingSettings(embedding=endpoint(nim.url), **indexing)
        pipeline = build_indexing_pipeline(served, "documents", settings)
        points = Points(served, "documents")
        try:
            yield World(nim, store, pipeline, points, loop, engine, qdrant)
        finally:
            loop.run(pipeline.close_async())
            loop.run(points.close())
            store.close()
