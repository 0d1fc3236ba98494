"""Pages to chunks that know their page and their span in it."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from haystack import Document, component, default_to_dict

from pipelines.chunks import chunk_spans

# The share of "words" made of dots alone, from which a chunk is dot leaders between headings.
CONTENTS_SHARE = 0.3


@component
class PageSplitter:
    """Cuts each page by itself: a chunk's content is page_text[start:end], nothing added."""

    def __init__(self, words: int, overlap: int) -> None:
        self.words = words
        self.overlap = overlap

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(self, words=self.words, overlap=self.overlap)

    @component.output_types(documents=list[Document])
    def run(self, pages: list[Document]) -> dict[str, list[Document]]:
        """Return the chunks of the pages, in their order."""
        return {"documents": [chunk for page in pages for chunk in self._split(page)]}

    def _split(self, page: Document) -> list[Document]:
        text = page.content or ""
        return [
            replace(
                page,
                id=_stable_id(page, start, end),
                content=text[start:end],
                meta={**page.meta, "span": [start, end]},
            )
            for start, end in chunk_spans(text, words=self.words, overlap=self.overlap)
            if not _is_contents(text[start:end])
        ]


def _is_contents(text: str) -> bool:
    """Say whether this is a table of contents: it answers nothing, and is found for everything."""
    words = text.split()
    leaders = sum(word.strip(".\u2026") == "" for word in words)
    return leaders > CONTENTS_SHARE * len(words)


def _stable_id(page: Document, start: int, end: int) -> str:
    """Return the same id for the same words at the same place of the same document."""
    text = (page.content or "")[start:end]
    place = f"{page.meta['document_id']}\n{page.meta['page']}\n{start}\n{end}\n"
    return sha256((place + text).encode()).hexdigest()
