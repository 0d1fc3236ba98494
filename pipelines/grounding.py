"""Holds what the model says against the passages, sentence by sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from haystack import Document

from pipelines.citations import Quote, pointed_back, wanted_words
from pipelines.passage import Sentence, taken_apart
from pipelines.sentences import Span
from pipelines.words import key_words

# A sentence is over when the next one starts; decimals and addresses have no space behind the dot.
_END = re.compile(r"[.!?][\"')\]]*+\s++(?=\S)|(?<!\n)\n++(?=\S)")
# Abbreviations, and the number in front of a list item; both are short.
_ABBREVIATION = r"\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|No|Fig|St|al)\.\s+$"
_NO_END = re.compile(_ABBREVIATION)
_NO_END_OF_FIRST = re.compile(rf"{_ABBREVIATION}|^\s*\d{{1,2}}\.\s+$")
NEAR = 20

# "In June 2018." shares no word with its question; a longer sentence should.
SHORT_ANSWER = 3


# A window may hold this much less of the question than the best one and still be about it.
RELEVANT = 0.7


class Window(NamedTuple):
    """Two neighbouring sentences of a passage, as words; `first` is the number of the first."""

    document: Document
    words: frozenset[str]
    first: int


class Grounding:
    """Says which passage supports a sentence."""

    def __init__(
        self,
        question: str,
        documents: Sequence[Document],
        max_unsupported: float,
        wanted: Mapping[str, float] | None = None,
    ) -> None:
        """`wanted`: the wanted words of this question and these documents, where they are known."""
        self.question = taken_apart(question).words
        self.max_unsupported = max_unsupported
        if wanted is None:
            wanted = wanted_words([(question, 1.0)], documents)
        passages = [taken_apart(document.content or "") for document in documents]
        weights = [passage.window_weights(wanted) for passage in passages]
        least = RELEVANT * max((max(each, default=0.0) for each in weights), default=0.0)
        weighed = [
            (weight, Window(document, words, first))
            for document, passage, each in zip(documents, passages, weights, strict=True)
            for first, (weight, words) in enumerate(zip(each, passage.windows, strict=True))
            if weight >= least
        ]
        # Most of the question first; of equals, those of the better passage.
        weighed.sort(key=itemgetter(0), reverse=True)
        self.windows = [window for _, window in weighed]
        self._holding: tuple[Window, ...] = ()

    def supporter(self, sentence: str) -> Window | None:
        """Return the place that holds the sentence's words, and most of the question's; else None.

        Two neighbouring sentences must hold them all, and speak of the question: words picked
        from here and there make new claims. A sentence that only repeats the question, asks one,
        or has nothing to do with it, is not supported either.
        """
        if sentence.rstrip().endswith("?"):
            return None
        said = taken_apart(sentence).words
        new = said - self.question
        if not new or (len(said) > SHORT_ANSWER and new == said):
            return None
        for window in self.windows:
            if self._holds(window.words, new, len(said)):
                return window
        return None

    def holds(self, said: frozenset[str]) -> bool:
        """Say whether one window holds the words of a sentence so far; it may still fail."""
        new = said - self.question
        # The one that held fewer of them is the likeliest.
        for window in (*self._holding, *self.windows):
            if self._lacks_little(window.words, new, len(said)):
                self._holding = (window,)
                return True
        return False

    def _holds(self, window: frozenset[str], new: frozenset[str], length: int) -> bool:
        # The question's words alone do not make a passage a source.
        return not new.isdisjoint(window) and self._lacks_little(window, new, length)

    def _lacks_little(self, window: frozenset[str], new: frozenset[str], length: int) -> bool:
        missing = new - window
        if len(missing) > self.max_unsupported * length:
            return False
        return not any(char.isdigit() for word in missing for char in word)


def evidence(said: Sequence[tuple[str, Window]], longest: int) -> list[Quote]:
    """Return the words behind each sentence, those of one place together, in the passages' order.

    A quote is at most `longest` characters, or as many as it takes to hold a sentence's words.
    """
    spans: dict[str, list[Span]] = {}
    documents = {window.document.id: window.document for _, window in said}
    for sentence, window in said:
        spans.setdefault(window.document.id, []).append(_evidence(sentence, window, longest))
    return [
        Quote(documents[identity], span)
        for identity, found in spans.items()
        for span in _joined(documents[identity].content or "", found)
    ]


def _evidence(sentence: str, window: Window, longest: int) -> Span:
    """Return the shortest run of the window's sentences that holds the words of this one."""
    text = window.document.content or ""
    whole = taken_apart(text).sentences[window.first : window.first + 2]
    start, end = whole[0].span[0], whole[-1].span[1]
    parts: Sequence[Sentence] = whole
    if any(part.span[1] - part.span[0] > longest for part in whole):
        cut = taken_apart(text, longest).sentences
        parts = [part for part in cut if start <= part.span[0] and part.span[1] <= end]
    needed = taken_apart(sentence).words & window.words
    runs = [part.span for part in parts if needed <= part.words]
    # One sentence that holds them all is shorter than any run with it.
    if not runs or len(parts) > 2:
        runs += [
            (parts[first].span[0], parts[last].span[1])
            for first in range(len(parts))
            for last in range(first + 1, len(parts))
            if needed <= frozenset().union(*(part.words for part in parts[first : last + 1]))
        ]
    shortest = min(runs, key=lambda run: run[1] - run[0], default=(start, end))
    return pointed_back(text, shortest, longest)


def _joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return the spans in order, those that touch as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


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
            # Looked at from its start, a sentence of abbreviations would cost their square.
            near = max(start, match.start() - NEAR)
            pattern = _NO_END_OF_FIRST if near == start else _NO_END
            if not pattern.search(self._text[near : match.end()]):
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
