"""The passages nearest to a question's vector, out of several collections."""

import asyncio
from collections.abc import Mapping
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.core.component import Component
from haystack.core.serialization import component_to_dict
from haystack.utils import deserialize_component_inplace

from pipelines.gathering import gathered
from pipelines.permit import Permit
from pipelines.vector import Vector


@component
class SeveralRetriever:
    """Asks one retriever a collection, side by side, and keeps the best of all.

    The collections hold vectors of one model, so their cosines compare. Each passage's
    `meta["collection"]` says where it is from.
    """

    def __init__(self, retrievers: Mapping[str, Component], top_k: int) -> None:
        self.retrievers = dict(retrievers)
        self.top_k = top_k

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        inner = {name: component_to_dict(each, name) for name, each in self.retrievers.items()}
        return default_to_dict(self, retrievers=inner, top_k=self.top_k)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SeveralRetriever":
        """Return the component from YAML."""
        inner = dict(data["init_parameters"]["retrievers"])
        for name in inner:
            deserialize_component_inplace(inner, name)
        parameters = {**data["init_parameters"], "retrievers": inner}
        retriever: SeveralRetriever = default_from_dict(
            cls, {**data, "init_parameters": parameters}
        )
        return retriever

    def warm_up(self) -> None:
        """Warm up every retriever that wants it."""
        for each in self.retrievers.values():
            if hasattr(each, "warm_up"):
                each.warm_up()

    async def close_async(self) -> None:
        """Give the sessions back."""
        for each in self.retrievers.values():
            if hasattr(each, "close_async"):
                await each.close_async()

    @component.output_types(documents=list[Document], seconds=float)
    def run(
        self,
        query_embedding: Vector | list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        permit: Permit | None = None,
    ) -> dict[str, list[Document] | float]:
        """Return passages by falling cosine; outside of an event loop."""
        found = {
            name: each.run(
                query_embedding=query_embedding, filters=filters, top_k=top_k, permit=permit
            )
            for name, each in self.retrievers.items()
        }
        return self._best(found, top_k)

    @component.output_types(documents=list[Document], seconds=float)
    async def run_async(
        self,
        query_embedding: Vector | list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        permit: Permit | None = None,
    ) -> dict[str, list[Document] | float]:
        """Return passages by falling cosine; one collection that fails fails the question."""

        async def ask(each: Any) -> dict[str, Any]:
            asked = {
                "query_embedding": query_embedding,
                "filters": filters,
                "top_k": top_k,
                "permit": permit,
            }
            if hasattr(each, "run_async"):
                found: dict[str, Any] = await each.run_async(**asked)
            else:
                found = await asyncio.to_thread(each.run, **asked)
            return found

        answers = await gathered(ask(each) for each in self.retrievers.values())
        return self._best(dict(zip(self.retrievers, answers, strict=True)), top_k)

    def _best(
        self, found: Mapping[str, Mapping[str, Any]], top_k: int | None
    ) -> dict[str, list[Document] | float]:
        for name, answer in found.items():
            for document in answer["documents"]:
                document.meta["collection"] = name
        every = [document for answer in found.values() for document in answer["documents"]]
        every.sort(key=lambda document: -(document.score or 0.0))
        seconds = max((answer["seconds"] for answer in found.values()), default=0.0)
        return {"documents": every[: self.top_k if top_k is None else top_k], "seconds": seconds}
