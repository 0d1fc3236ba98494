"""Finds the words of a passage that answer, and quotes them letter for letter."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from haystack import Document

from pipelines.answer import Citation
from pipelines.passage import taken_apart
from pipelines.sentences import HEADING, Span
from pipelines.words import view

_POINTS_BACK = re.compile(r"(?:Such|This|These|That|Those|It|They|Therefore|Also|Otherwise)\b")
_ASKS_FOR_NUMBER = re.compile(
    r"\b(?:how (?:many|much|long|often|old|big|large|far)|when|what (?:year|date|number|size))\b",
    re.IGNORECASE,
)
# The dashes of an option, as in `--list`, are part of what is said.
_BULLET = re.compile(r"\A(?:[•◦▪‣]\s*|[*-]\s+)+")
NUMBER_FACTOR = 1.5


@dataclass(frozen=True)
class Quote:
    """A span of a passage's content, with the weight of its words where others were left out."""

    document: Document
    span: Span
    weight: float = 0.0

    @property
    def text(self) -> str:
        """Return the quoted words as they stand on the page."""
        return (self.document.content or "")[self.span[0] : self.span[1]]


def best_quote(
    document: Document, wanted: dict[str, float], longest: int, *, number: bool = False
) -> Quote | None:
    """Return the sentence of the passage that holds most of the wanted words.

    Where both fit a neighbour comes along: the sentence before one that points back to it, else
    the one behind, since an answer often follows what is asked. `number` prefers one with a
    number.
    """
    text = document.content or ""
    passage = taken_apart(text, longest)
    parts = passage.sentences
    if not parts:
        return None
    weights = [
        weight * part.factor * (NUMBER_FACTOR if number and part.number else 1.0)
        for weight, part in zip(passage.weights(wanted), parts, strict=True)
    ]
    # The first of equals.
    weight = max(weights)
    index = weights.index(weight)
    start, end = parts[index].span
    if _POINTS_BACK.match(text, start):
        start, end = pointed_back(text, (start, end), longest)
    elif index + 1 < len(parts):
        following = parts[index + 1].span
        if following[1] - start <= longest and not HEADING.match(text, following[0]):
            end = following[1]
    return Quote(document, (start, end), weight)


def pointed_back(text: str, span: Span, longest: int) -> Span:
    """Return the span from the sentence before on, where it points back to that and both fit."""
    start, end = span
    if not _POINTS_BACK.match(text, start):
        return span
    before = [part.span[0] for part in taken_apart(text, longest).sentences if part.span[0] < start]
    return (before[-1], end) if before and end - before[-1] <= longest else span


def asks_for_number(question: str) -> bool:
    """Say whether the answer is a number or a time."""
    return bool(_ASKS_FOR_NUMBER.search(question))


def excerpt(document: Document, wanted: dict[str, float], longest: int) -> str:
    """Return the sentences around the best one, as many as fit: what a small model can read."""
    text = document.content or ""
    best = best_quote(document, wanted, longest)
    if best is None or len(text) <= longest:
        return text
    start, end = best.span
    spans = [each.span for each in taken_apart(text).sentences]
    before = bisect_right(spans, start, key=itemgetter(1)) - 1
    after = bisect_left(spans, end, key=itemgetter(0))
    while True:
        if after < len(spans) and spans[after][1] - start <= longest:
            end = spans[after][1]
            after += 1
        elif before >= 0 and end - spans[before][0] <= longest:
            start = spans[before][0]
            before -= 1
        else:
            break
    return text[start:end]


def wanted_words(
    texts: Sequence[tuple[str, float]], documents: Sequence[Document]
) -> dict[str, float]:
    """Return the words of the texts, weighted by text and by how rare they are in the passages."""
    asked: dict[str, float] = {}
    for text, weight in texts:
        for word in taken_apart(text).words:
            if asked.get(word, 0.0) < weight:
                asked[word] = weight
    holding = dict.fromkeys(asked, 0)
    for document in documents:
        for word in asked.keys() & taken_apart(document.content or "").words:
            holding[word] += 1
    every = len(documents) + 1
    rarity = [math.log(1 + every / (held + 0.5)) for held in range(every)]
    return {word: weight * rarity[holding[word]] for word, weight in asked.items()}


def cite(quotes: Sequence[Quote]) -> list[Citation]:
    """Return the quotes as numbered citations; what is not on its page is dropped."""
    citations: list[Citation] = []
    for quote in quotes:
        found = _citation(quote, n=len(citations) + 1)
        if found:
            citations.append(found)
    return citations


def _citation(quote: Quote, n: int) -> Citation | None:
    meta = quote.document.meta
    content = quote.document.content or ""
    start, end = meta["span"]
    # A chunk is page_text[start:end]; one that is not cannot place its words on the page.
    if end - start != len(content) or not quote.text.strip():
        return None
    return Citation(
        n=n,
        document=meta["document"],
        document_id=meta["document_id"],
        page=meta["page"],
        span=(start + quote.span[0], start + quote.span[1]),
        quote=quote.text,
        score=quote.document.score or 0.0,
        collection=meta.get("collection"),
    )


def quoted_answer(quote: Quote) -> str:
    """Return the quote as an answer: in one line, ending like a sentence."""
    said = _BULLET.sub("", view(quote.text))
    return said if said.endswith((".", "!", "?")) else f"{said.rstrip(':;,')}."
