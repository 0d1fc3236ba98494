"""Leave out the chunks that the store holds already: they cost no embedding."""

from typing import Any

from haystack import component, default_to_dict

from pipelines.components.splitter import point_id
from pipelines.passages import Passages, PointIds


@component
class SkipKnown:
    """A chunk's id covers its words, its place and all that it carries, so equal ids are equal."""

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(self)

    @component.output_types(passages=Passages, ids=PointIds)
    def run(self, passages: Passages, known: PointIds) -> dict[str, Passages | PointIds]:
        """Return the chunks that are new, and the points' ids of all."""
        ids = [point_id(document.id) for document in passages.documents]
        new = [
            document
            for document, each in zip(passages.documents, ids, strict=True)
            if each not in known.ids
        ]
        return {"passages": Passages(documents=new), "ids": PointIds(ids=frozenset(ids))}
