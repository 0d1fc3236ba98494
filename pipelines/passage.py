"""A passage's text taken apart once: its sentences and their words.

Gate, grounding and citations all look at the same few passages of a question, and the same
passages come back for other questions.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pipelines.sentences import Span, sentence_spans, trim
from pipelines.words import key_words

# How many are kept: of up to 100 kB each, and of larger ones, as texts without spaces are.
KEPT, KEPT_LARGE = 1024, 32
LARGE = 2_000  # characters

SHORTEST = 3
FRAGMENT_FACTOR = 0.4
_ENDED = re.compile(r"[.!?:;\u3002\uff01\uff1f][\"')\]]*$")
_NUMBER = re.compile(
    r"\d|\b(?:once|twice|one|two|three|four|five|six|seven|eight|nine|ten|twelve)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A span of a text and what it counts for by itself."""

    span: Span
    words: frozenset[str]
    # What the weight of its wanted words is multiplied with.
    factor: float
    number: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """A text's sentences, in order, and in which of them a word is."""

    sentences: tuple[Sentence, ...]
    words: frozenset[str]
    having: dict[str, tuple[int, ...]]
    # The words of two neighbouring sentences; of the only sentence where there is one.
    windows: tuple[frozenset[str], ...]
    windows_having: dict[str, tuple[int, ...]]
    # Characters in the longest sentence.
    longest: int

    def weights(self, wanted: Mapping[str, float]) -> list[float]:
        """Return for each sentence the weight of the wanted words in it."""
        return self._summed(wanted, self.having, len(self.sentences))

    def window_weights(self, wanted: Mapping[str, float]) -> list[float]:
        """Return for each window the weight of the wanted words in it."""
        return self._summed(wanted, self.windows_having, len(self.windows))

    def _summed(
        self, wanted: Mapping[str, float], where: dict[str, tuple[int, ...]], size: int
    ) -> list[float]:
        weights = [0.0] * size
        for word in wanted.keys() & self.words:
            weight = wanted[word]
            for index in where[word]:
                weights[index] += weight
        return weights


def taken_apart(text: str, longest: int | None = None) -> Passage:
    """Return the sentences and words of a text; sentences over `longest` characters are cut."""
    kept = _large if _is_large(text) else _small
    whole = kept(text, None)
    if longest is None or whole.longest <= longest:
        return whole
    return kept(text, longest)


def _is_large(text: str) -> bool:
    # Three bytes a character: each two neighbours are a word.
    return len(text) > LARGE or (not text.isascii() and len(text.encode()) > 2.2 * len(text))


def _taken_apart(text: str, longest: int | None) -> Passage:
    spans = sentence_spans(text)
    if longest is not None:
        spans = [part for span in spans for part in _shortened(text, span, longest)]
    said = [key_words(text[start:end]) for start, end in spans]
    sentences = tuple(_sentence(text, span, words) for span, words in zip(spans, said, strict=True))
    pairs = tuple(first.words | second.words for first, second in pairwise(sentences))
    windows = pairs or tuple(each.words for each in sentences)
    having = _index(each.words for each in sentences)
    return Passage(
        sentences=sentences,
        words=frozenset(having),
        having=having,
        windows=windows,
        windows_having=_index(windows),
        longest=max((end - start for start, end in spans), default=0),
    )


_small = lru_cache(maxsize=KEPT)(_taken_apart)
_large = lru_cache(maxsize=KEPT_LARGE)(_taken_apart)


def _index(sets: Iterable[frozenset[str]]) -> dict[str, tuple[int, ...]]:
    having: dict[str, tuple[int, ...]] = {}
    for index, words in enumerate(sets):
        for word in words:
            having[word] = (*having.get(word, ()), index)
    return having


def _sentence(text: str, span: Span, words: list[str]) -> Sentence:
    said = text[span[0] : span[1]]
    # Headings and running titles repeat the question and say nothing.
    fragment = len(words) < SHORTEST or not _ENDED.search(said)
    # Long sentences hold more of everything; a mild discount keeps short, full ones ahead.
    discount = math.sqrt(math.sqrt(1 + len(words)))
    return Sentence(
        span=span,
        words=frozenset(words),
        factor=(FRAGMENT_FACTOR if fragment else 1.0) / discount,
        number=_NUMBER.search(said) is not None,
    )


def _shortened(text: str, span: Span, longest: int) -> list[Span]:
    start, end = span
    parts = []
    while end - start > longest:
        cut = text.rfind(" ", start, start + longest)
        cut = cut if cut > start else start + longest
        parts.append(trim(text, start, cut))
        start, _ = trim(text, cut, end)
    return [*parts, (start, end)]
