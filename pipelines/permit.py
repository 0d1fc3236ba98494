"""Whose documents a question may be answered from: part of the vector query, and asked again later.

A chunk's `meta.readers` is a list of names. The vector store compares it with the names of who
asks, so nothing else is found and ranked; `allows` is asked before anything is given out, for what
changed since the chunks were written or while the model was speaking.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from haystack import Document

from pipelines.passages import Uncopied

FIELD = "meta.readers"


class Permit(Uncopied):
    """The names of who asks, None for all documents, and what is known now of a document's id."""

    def __init__(self, principals: tuple[str, ...] | None, allows: Callable[[str], bool]) -> None:
        if principals is not None and not principals:
            # Qdrant takes an empty list for no condition at all.
            msg = "principals is empty: expected one or more names, or None for everything"
            raise ValueError(msg)
        self.principals = principals
        self.allows = allows

    @property
    def condition(self) -> bytes | None:
        """The condition in Qdrant's JSON, made once for the same names."""
        return None if self.principals is None else _condition(self.principals)

    def narrowed(self, filters: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return Haystack's filter of both; it is never wider than the one given."""
        if self.principals is None:
            return filters
        own = {"field": FIELD, "operator": "in", "value": list(self.principals)}
        both = [own, filters] if filters else [own]
        return {"operator": "AND", "conditions": both}

    def kept(self, documents: Sequence[Document]) -> list[Document]:
        """Return those that may still be given out."""
        # one question a document, of which there are often several chunks
        ids = {document.meta["document_id"] for document in documents}
        allowed = set(filter(self.allows, ids))
        return [document for document in documents if document.meta["document_id"] in allowed]


@lru_cache(maxsize=4096)
def _condition(principals: tuple[str, ...]) -> bytes:
    return orjson.dumps({"key": FIELD, "match": {"any": principals}})
