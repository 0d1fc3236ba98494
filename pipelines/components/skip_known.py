"""Leave out the chunks that the store holds already: they cost no embedding."""

from typing import Any

from haystack import component, default_to_dict

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
        new = [
            (document, each)
            for document, each in zip(passages.documents, passages.ids, strict=True)
            if each not in known.ids
        ]
        left = Passages(documents=[document for document, _ in new], ids=[each for _, each in new])
        return {"passages": left, "ids": PointIds(ids=frozenset(passages.ids))}
