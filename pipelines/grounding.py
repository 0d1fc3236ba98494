"""Holds what the model says against the passages, sentence by sentence."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from haystack import Document

from pipelines.citations import wanted_words
from pipelines.passage import taken_apart

# A sentence is over when the next one starts; decimals and addresses have no space behind the dot.
_END = re.compile(r"[.!?][\"')\]]*\s+(?=\S)|\n+(?=\S)")
# Abbreviations, and the number in front of a list item.
_NO_END = re.compile(r"\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|No|Fig|St|al)\.\s+$|^\s*\d{1,2}\.\s+$")

# "In June 2018." shares no word with its question; a longer sentence should.
SHORT_ANSWER = 3


# A window may hold this much less of the question than the best one and still be about it.
RELEVANT = 0.7


@dataclass(frozen=True)
class Window:
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
        weighed = [
            (weight, Window(document, words))
            for document in documents
            for weight, words in _windows(document, wanted)
        ]
        least = RELEVANT * max((weight for weight, _ in weighed), default=0.0)
        self.windows = [window for weight, window in weighed if weight >= least]

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

    def _holds(self, window: frozenset[str], new: frozenset[str], length: int) -> bool:
        missing = new - window
        if any(char.isdigit() for word in missing for char in word):
            return False
        # The question's words alone do not make a passage a source.
        return missing != new and len(missing) <= self.max_unsupported * length


def _windows(
    document: Document, wanted: dict[str, float]
) -> Iterator[tuple[float, frozenset[str]]]:
    passage = taken_apart(document.content or "")
    return zip(passage.window_weights(wanted), passage.windows, strict=True)


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

    def rest(self) -> str:
        """Return what is left when the text is over."""
        left, self._text = self._text, ""
        return left
