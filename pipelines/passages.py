"""What travels along the indexing pipeline: pages, then chunks, then chunks with vectors.

Haystack copies every input of every component, value by value: 43 ms for a vector of 2,048 floats
in a list. These two are handed on as they are. Nobody may change one, and nobody needs to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from haystack import Document

from pipelines.reading.page import Page

Vectors = npt.NDArray[np.float32]


class Uncopied:
    """A value that a pipeline hands on without copying it."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


@dataclass(frozen=True, kw_only=True)
class PageSlice(Uncopied):
    """Some pages of one document, and what each of their chunks is to carry."""

    document_id: str
    name: str
    pages: Sequence[Page]
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    # Who may read it; None writes none. It is not part of a chunk's id: it changes on its own.
    readers: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Passages(Uncopied):
    """Chunks with their points' ids, and behind the embedder a row of `vectors` for each."""

    documents: Sequence[Document]
    ids: Sequence[str]
    vectors: Vectors | None = None


@dataclass(frozen=True, kw_only=True)
class PointIds(Uncopied):
    """Ids of chunks in the store."""

    ids: frozenset[str] = frozenset()
