"""Several collections as one retriever."""

import asyncio
from typing import Any

from haystack import Document, Pipeline, component
from haystack.utils import Secret

from pipelines.components.qdrant_retriever import QdrantRetriever
from pipelines.components.several_retriever import SeveralRetriever


@component
class Fixed:
    """Finds the same whatever is asked."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    @component.output_types(documents=list[Document], seconds=float)
    def run(self, query_embedding: list[float], **asked: Any) -> dict[str, Any]:
        found = [Document(content=str(score), score=score) for score in self.scores]
        return {"documents": found, "seconds": 0.1}


def test_the_best_of_all_collections_are_kept_and_say_where_they_are_from() -> None:
    retriever = SeveralRetriever({"a": Fixed([0.9, 0.2]), "b": Fixed([0.8, 0.7])}, top_k=3)

    for found in (retriever.run([1.0]), asyncio.run(retriever.run_async([1.0]))):
        documents = found["documents"]
        assert isinstance(documents, list)
        assert [(each.score, each.meta["collection"]) for each in documents] == [
            (0.9, "a"),
            (0.8, "b"),
            (0.7, "b"),
        ]


def test_it_survives_yaml() -> None:
    inner = {
        name: QdrantRetriever(
            url="http://127.0.0.1:1",
            collection=name,
            api_key=Secret.from_env_var("KEY", strict=False),
            timeout=1.0,
            attempts=1,
            top_k=5,
        )
        for name in ("a", "b")
    }
    pipeline = Pipeline()
    pipeline.add_component("retriever", SeveralRetriever(inner, top_k=5))

    text = pipeline.dumps()
    read = Pipeline.loads(text, allowed_modules=["pipelines.*"])

    assert read.dumps() == text
