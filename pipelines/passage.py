"""A passage's text taken apart once: its sentences and their words.

Gate, grounding and citations all look at the same few passages of a question, and the same
passages come back for other questions.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pipelines.sentences import Span, sentence_spans
from pipelines.words import key_words

# About 10 kB each.
KEPT = 1024

SHORTEST = 3
_ENDED = re.compile(r"[.!?:;\u3002\uff01\uff1f][\"')\]]*$")
_NUMBER = re.compile(
    r"\d|\b(?:once|twice|one|two|three|four|five|six|seven|eight|nine|ten|twelve)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A span of a text, `length` key words of which `words` differ."""

    span: Span
    words: frozenset[str]
    length: int
    # Headings and running titles: short, or without an end.
    fragment: bool
    number: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """A text's sentences, in order."""

    sentences: tuple[Sentence, ...]
    words: frozenset[str]
    # The words of two neighbouring sentences; of the only sentence where there is one.
    windows: tuple[frozenset[str], ...]


def sentence(text: str, span: Span) -> Sentence:
    """Return what there is to know of a span."""
    said = text[span[0] : span[1]]
    words = key_words(said)
    return Sentence(
        span=span,
        words=frozenset(words),
        length=len(words),
        fragment=len(words) < SHORTEST or not _ENDED.search(said),
        number=_NUMBER.search(said) is not None,
    )


@lru_cache(maxsize=KEPT)
def taken_apart(text: str) -> Passage:
    """Return the sentences and words of a text."""
    sentences = tuple(sentence(text, span) for span in sentence_spans(text))
    pairs = tuple(first.words | second.words for first, second in pairwise(sentences))
    return Passage(
        sentences=sentences,
        words=frozenset(key_words(text)),
        windows=pairs or tuple(each.words for each in sentences),
    )
