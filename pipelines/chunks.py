"""A page's text to overlapping chunks of whole sentences, as spans of code points."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from pipelines.sentences import Span, sentence_spans, trim

# Scripts without spaces have no words to count; eight characters weigh as one.
CHARACTERS_PER_WORD = 8

# A tenth of a chunk is a title and its number, not a section.
TITLE = 10


def chunk_spans(text: str, *, words: int, overlap: int, starts: Sequence[int] = ()) -> list[Span]:
    """Return spans of about `words` words; each begins with up to `overlap` words of the last.

    `starts` are where sections of the text begin, rising: a chunk ends there and the next one
    repeats nothing. Only what is too short to stand alone, such as a title above a heading, goes
    on into the following section.
    """
    units, weights, sections = _units(text, words, starts)
    if not units:
        return []
    chunks: list[Span] = []
    first, count = 0, len(units)
    while True:
        last, weight = first, weights[first]
        while last + 1 < count:
            if sections[last + 1] != sections[last] and weight > words // TITLE:
                break
            if weight + weights[last + 1] > words:
                break
            last += 1
            weight += weights[last]
        # A short rest is better read here than alone.
        rest = last + 1
        while rest < count and sections[rest] == sections[last]:
            rest += 1
        if rest > last + 1 and sum(weights[last + 1 : rest]) <= words // 4:
            last = rest - 1
        chunks.append((units[first][0], units[last][1]))
        if last == count - 1:
            return chunks
        first = _next_first(weights, sections, first, last, overlap)


def _units(text: str, words: int, starts: Sequence[int]) -> tuple[list[Span], list[int], list[int]]:
    """Return the sentences, their weights in words, and the number of each one's section."""
    spans = sentence_spans(text)
    if not starts:
        # As `_weight` has it, without a call for each.
        weights = [
            max(len(text[start:end].split()), (end - start) // CHARACTERS_PER_WORD // 2)
            for start, end in spans
        ]
        if max(weights, default=0) <= words:
            return spans, weights, [0] * len(spans)
    units: list[Span] = []
    weights = []
    sections: list[int] = []
    for span in spans:
        for start, end in _within(text, span, starts) if starts else (span,):
            section = bisect_right(starts, start) if starts else 0
            weight = _weight(text[start:end])
            if weight <= words:
                units.append((start, end))
                weights.append(weight)
                sections.append(section)
                continue
            for piece in _bounded(text, (start, end), words):
                units.append(piece)
                weights.append(_weight(text[piece[0] : piece[1]]))
                sections.append(section)
    return units, weights, sections


def _within(text: str, span: Span, starts: Sequence[int]) -> list[Span]:
    """Cut a sentence where a section begins inside it: titles end without a full stop."""
    start, end = span
    inside = starts[bisect_right(starts, start) : bisect_right(starts, end - 1)]
    if not inside:
        return [span]
    parts = [trim(text, a, b) for a, b in zip((start, *inside), (*inside, end), strict=True)]
    return [part for part in parts if part[0] < part[1]]


def _next_first(
    weights: list[int], sections: list[int], first: int, last: int, overlap: int
) -> int:
    following, carried = last + 1, 0
    if sections[following] != sections[last]:
        return following
    while (
        following - 1 > first
        and sections[following - 1] == sections[last]
        and carried + weights[following - 1] <= overlap
    ):
        following -= 1
        carried += weights[following]
    return following


def _weight(part: str) -> int:
    return max(len(part.split()), len(part) // CHARACTERS_PER_WORD // 2)


def _bounded(text: str, span: Span, words: int) -> list[Span]:
    """Cut a sentence that is longer than a chunk (a table, a log) into pieces that are not."""
    longest = words * CHARACTERS_PER_WORD
    # The latest white space within reach; without any, a hard cut.
    piece = re.compile(rf"\S.{{0,{longest - 2}}}(?=\s|\Z)|\S.{{0,{longest - 1}}}", re.DOTALL)
    pieces = []
    for match in piece.finditer(text, *span):
        end = match.start() + len(match.group().rstrip())
        pieces.append((match.start(), end))
    return pieces
