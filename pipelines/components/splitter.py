"""Pages to chunks that know their page, their span in it, and the headings above them."""

import uuid
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import sha1, sha256
from itertools import pairwise
from typing import Any

from haystack import Document, component, default_to_dict

from pipelines.chunks import chunk_spans
from pipelines.found import found
from pipelines.passages import PageSlice, Passages
from pipelines.reading.page import Page

# The share of "words" made of dots alone, from which a chunk is dot leaders between headings, and
# how many such words it takes at least: a short chunk may end in an ellipsis.
CONTENTS_SHARE = 0.3
CONTENTS_LEADERS = 4
# One of these stands where a word of dots begins; looking for them is cheap.
LEADERS = (" .", "\n.", "\t.", "\u00a0.", "\u2026")

# qdrant-haystack's: what it writes and what we write has one id.
NAMESPACE = uuid.UUID("3896d314-1e95-4a3a-b45a-945f9f0b541d")


@component
class PageSplitter:
    """Cuts each page by itself: a chunk's content is page_text[start:end], nothing added.

    `model` is the one that will embed: the same words for another model are another chunk.
    """

    def __init__(self, words: int, overlap: int, model: str) -> None:
        self.words = words
        self.overlap = overlap
        self.model = model

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(self, words=self.words, overlap=self.overlap, model=self.model)

    @component.output_types(passages=Passages)
    def run(self, pages: PageSlice) -> dict[str, Passages]:
        """Return the chunks of the pages, in their order."""
        documents = [chunk for page in pages.pages for chunk in self._split(pages, page)]
        ids = [point_id(document.id) for document in documents]
        return {"passages": Passages(documents=documents, ids=ids)}

    def _split(self, pages: PageSlice, page: Page) -> Iterator[Document]:
        starts = [section.start for section in page.sections]
        common = {**pages.metadata, "document_id": pages.document_id, "document": pages.name}
        if page.part is not None:
            common["part"] = page.part
        identity = sha256("\n".join(map(str, (self.model, *common.items()))).encode())
        for start, end in chunk_spans(
            page.text, words=self.words, overlap=self.overlap, starts=starts
        ):
            content = page.text[start:end]
            if _is_contents(content):
                continue
            headings = _headings(page, starts, start, end)
            # The same words at the same place of the same document have the same id.
            digest = identity.copy()
            digest.update(f"\n{page.number}\n{start}\n{end}\n{headings}\n{content}".encode())
            meta: dict[str, Any] = {**common, "page": page.number, "span": [start, end]}
            if headings:
                meta["headings"] = headings
            if pages.readers is not None:
                meta["readers"] = list(pages.readers)
            yield found({"id": digest.hexdigest(), "content": content, "meta": meta}, None)


def point_id(document_id: str) -> str:
    """Return the id of a chunk's point in Qdrant: uuid5, without an object on the way."""
    raw = bytearray(sha1(NAMESPACE.bytes + document_id.encode(), usedforsecurity=False).digest())
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _headings(page: Page, starts: Sequence[int], start: int, end: int) -> list[str]:
    """Return the path of headings under which the larger part of the chunk stands."""
    first, last = bisect_right(starts, start) - 1, bisect_right(starts, end - 1) - 1
    if last < 0:
        return []
    if first == last:
        return list(page.sections[last].path)
    bounds = [start, *starts[first + 1 : last + 1], end]
    lengths = [after - before for before, after in pairwise(bounds)]
    most = first + max(range(len(lengths)), key=lengths.__getitem__)
    return list(page.sections[most].path) if most >= 0 else []


def _is_contents(text: str) -> bool:
    """Say whether this is a table of contents: it answers nothing, and is found for everything."""
    for mark in LEADERS:
        if mark in text:
            break
    else:
        return False
    words = text.split()
    least = max(CONTENTS_LEADERS, CONTENTS_SHARE * len(words))
    if text.count(".") + text.count("\u2026") < least:
        return False
    leaders = sum(word.strip(".\u2026") == "" for word in words)
    return leaders >= least
