"""A page's text to overlapping chunks of whole sentences, as spans of code points."""

import re

from pipelines.sentences import Span, sentence_spans

# Scripts without spaces have no words to count; eight characters weigh as one.
CHARACTERS_PER_WORD = 8


def chunk_spans(text: str, *, words: int, overlap: int) -> list[Span]:
    """Return spans of about `words` words; each begins with up to `overlap` words of the last."""
    units = [part for span in sentence_spans(text) for part in _bounded(text, span, words)]
    weights = [_weight(text, unit) for unit in units]
    if not units:
        return []
    chunks: list[Span] = []
    first = 0
    while True:
        last, weight = first, weights[first]
        while last + 1 < len(units) and weight + weights[last + 1] <= words:
            last += 1
            weight += weights[last]
        # A short rest is better read here than alone.
        if sum(weights[last + 1 :]) <= words // 4:
            last = len(units) - 1
        chunks.append((units[first][0], units[last][1]))
        if last == len(units) - 1:
            return chunks
        first = _next_first(weights, first, last, overlap)


def _next_first(weights: list[int], first: int, last: int, overlap: int) -> int:
    following, carried = last + 1, 0
    while following - 1 > first and carried + weights[following - 1] <= overlap:
        following -= 1
        carried += weights[following]
    return following


def _weight(text: str, span: Span) -> int:
    part = text[span[0] : span[1]]
    return max(len(part.split()), len(part) // CHARACTERS_PER_WORD // 2)


def _bounded(text: str, span: Span, words: int) -> list[Span]:
    """Cut a sentence that is longer than a chunk (a table, a log) into pieces that are not."""
    if _weight(text, span) <= words:
        return [span]
    longest = words * CHARACTERS_PER_WORD
    # The latest white space within reach; without any, a hard cut.
    piece = re.compile(rf"\S.{{0,{longest - 2}}}(?=\s|\Z)|\S.{{0,{longest - 1}}}", re.DOTALL)
    pieces = []
    for match in piece.finditer(text, *span):
        end = match.start() + len(match.group().rstrip())
        pieces.append((match.start(), end))
    return pieces
