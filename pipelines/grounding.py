"""Holds what the model says against the passages, sentence by sentence."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from haystack import Document

from pipelines.citations import wanted_words
from pipelines.passage import taken_apart
from pipelines.words import key_words

# A sentence is over when the next one starts; decimals and addresses have no space behind the dot.
_END = re.compile(r"[.!?][\"')\]]*\s+(?=\S)|\n+(?=\S)")
# Abbreviations, and the number in front of a list item.
_NO_END = re.compile(r"\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|No|Fig|St|al)\.\s+$|^\s*\d{1,2}\.\s+$")

# "In June 2018." shares no word with its question; a longer sentence should.
SHORT_ANSWER = 3


# A window may hold this much less of the question than the best one and still be about it.
RELEVANT = 0.7


class Window(NamedTuple):
    """Two neighbouring sentences of a passage, as words."""

    document: Document
    words: frozenset[str]


class Grounding:
    """Says which passage supports a sentence."""

    def __init__(
        self, question: str, documents: Sequence[Document], max_unsupported: float
    ) -> None:
        self.question = taken_apart(question).words
        self.max_unsupported = max_unsupported
        wanted = wanted_words([(question, 1.0)], documents)
        passages = [taken_apart(document.content or "") for document in documents]
        weights = [passage.window_weights(wanted) for passage in passages]
        least = RELEVANT * max((max(each, default=0.0) for each in weights), default=0.0)
        self.windows = [
            Window(document, words)
            for document, passage, weighed in zip(documents, passages, weights, strict=True)
            for weight, words in zip(weighed, passage.windows, strict=True)
            if weight >= least
        ]

    def supporter(self, sentence: str) -> Document | None:
        """Return the best passage that holds the sentence's words; None where none does.

        Two neighbouring sentences must hold them all, and speak of the question: words picked
        from here and there make new claims. A sentence that only repeats the question, or has
        nothing to do with it, is not supported either.
        """
        said = taken_apart(sentence).words
        new = said - self.question
        if not new or (len(said) > SHORT_ANSWER and new == said):
            return None
        for window in self.windows:
            if self._holds(window.words, new, len(said)):
                return window.document
        return None

    def holds(self, begun: str) -> bool:
        """Say whether one window holds the words of a sentence so far; it may still fail."""
        said = frozenset(key_words(begun))
        new = said - self.question
        return any(self._lacks_little(window.words, new, len(said)) for window in self.windows)

    def _holds(self, window: frozenset[str], new: frozenset[str], length: int) -> bool:
        # The question's words alone do not make a passage a source.
        return not new.isdisjoint(window) and self._lacks_little(window, new, length)

    def _lacks_little(self, window: frozenset[str], new: frozenset[str], length: int) -> bool:
        missing = new - window
        if len(missing) > self.max_unsupported * length:
            return False
        return not any(char.isdigit() for word in missing for char in word)


def whole_words(begun: str) -> str:
    """Return the text without its last word where that may go on and say something else.

    A word without meaning of its own goes out at once: most answers begin with one.
    """
    start = len(begun)
    while start and begun[start - 1].isalnum():
        start -= 1
    return (begun[:start] if key_words(begun[start:]) else begun).rstrip()


class SentenceBuffer:
    """Gathers streamed text and lets whole sentences out."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, delta: str) -> Iterator[str]:
        """Yield each sentence that the new text completes, white space behind it included."""
        self._text += delta
        start = 0
        for match in _END.finditer(self._text):
            if not _NO_END.search(self._text[start : match.end()]):
                yield self._text[start : match.end()]
                start = match.end()
        self._text = self._text[start:]

    @property
    def begun(self) -> str:
        """What is there of the sentence under way."""
        return self._text.lstrip()

    def rest(self) -> str:
        """Return what is left when the text is over."""
        left, self._text = self._text, ""
        return left
