"""An answer in the making: what the model says, held against the passages as it comes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from haystack import Document
from haystack.dataclasses import ChatMessage

from pipelines.answer import Answer, Timings, Usage
from pipelines.answer_filter import AnswerFilter, inert
from pipelines.citations import (
    Quote,
    asks_for_number,
    best_quote,
    cite,
    quoted_answer,
    wanted_words,
)
from pipelines.fencing import system_text
from pipelines.grounding import Grounding, SentenceBuffer, Window, evidence, whole_words
from pipelines.permit import Permit
from pipelines.prompts import NOT_ANSWERED
from pipelines.settings import QuerySettings
from pipelines.words import key_words

# Stands where a sentence was left off that no passage holds to its end.
LEFT_OFF = " [\u2026]"


@dataclass
class Draft:
    """One question under way: `saw` and `heard` take in what happens, `answer` ends it.

    A sentence is in the answer when a passage supports it. Streamed, its words go out before its
    end is known, as far as one passage holds them all; where it then turns out to be without
    support it ends in LEFT_OFF. What is out is never taken back.
    """

    question: str
    settings: QuerySettings
    collection: str
    permit: Permit | None = None
    # What the language model is told, where it is known already.
    told: str | None = None
    # Nothing more that the model says is wanted.
    stopped: bool = False
    _started: float = field(default_factory=time.perf_counter)
    _seconds: dict[str, float] = field(default_factory=dict)
    _degraded: list[Literal["ranking"]] = field(default_factory=list)
    _ranked: list[Document] = field(default_factory=list)
    # The ids of their documents.
    _documents: set[str] = field(default_factory=set)
    _grounding: Grounding | None = None
    _buffer: SentenceBuffer = field(default_factory=SentenceBuffer)
    # The sentences given out, each with what holds it.
    _said: list[tuple[str, Window | None]] = field(default_factory=list)
    # What is out of the sentence under way.
    _ahead: str = ""
    _quoted: Quote | None = None
    _reply: ChatMessage | None = None
    _filter: AnswerFilter = field(init=False)

    def __post_init__(self) -> None:
        told = system_text(self.settings.template) if self.told is None else self.told
        self._filter = AnswerFilter(told)

    def saw(self, component: str, output: Mapping[str, Any]) -> None:
        """Take in what a component of the pipeline put out."""
        self._seconds[component] = output.get("seconds", 0.0)
        if component == "ranker" and output.get("degraded"):
            self._degraded.append("ranking")
        elif component == "gate":
            self._ground(output["documents"], output.get("wanted"))
        elif component == "llm":
            self._reply = output["replies"][0] if output["replies"] else None

    def heard_whole(self) -> None:
        """Take in the reply that was seen at once instead of piece by piece."""
        if self._reply is not None:
            text = self._filter.feed(self._reply.text or "", self._ranked)
            self._taken_in(text + self._filter.rest(self._ranked))
            self._stop_at_leak()

    def heard(self, delta: str) -> list[str]:
        """Take in a piece of the reply, and return the text that can go out by it."""
        texts = self._taken_in(self._filter.feed(delta, self._ranked))
        texts += self._stop_at_leak()
        if not self.stopped and self.settings.grounding != "off":
            texts += self._held_so_far()
        return self._out(texts)

    def last_texts(self) -> list[str]:
        """Return what is left to give out when the reply is over."""
        self._drop_withdrawn()
        texts = self._taken_in(self._filter.rest(self._ranked)) + self._stop_at_leak()
        rest = self._buffer.rest()
        # A sentence that the token limit cut says who knows what.
        cut = self._reply is not None and self._reply.meta.get("finish_reason") == "length"
        if rest.strip() and not self.stopped:
            texts += self._left_off() if cut else self._weighed(rest)
        believed = self.settings.grounding == "off" and self._said
        if not believed and not any(supporter for _, supporter in self._said):
            texts.append(self._without_model())
        return self._out(texts)

    def answer(self) -> Answer:
        """Return the answer with its citations."""
        self._drop_withdrawn()
        text = "".join(part for part, _ in self._said)
        if self._quoted and self._may_cite(self._quoted.document):
            quotes = [self._quoted]
        elif self.settings.grounding == "off":
            quotes = self._quotes([(text, 1.0), (self.question, 0.5)], self._ranked)
        else:
            quotes = evidence(self._held(), self.settings.quote_characters)
        citations = cite(quotes)
        usage = self._reply.meta.get("usage") or {} if self._reply else {}
        return Answer(
            answer=text,
            answerable=bool(citations),
            citations=citations,
            timings=self._timings(),
            model=self.settings.llm.model,
            collection=self.collection,
            degraded=self._degraded,
            usage=Usage(
                prompt_tokens=usage.get("prompt_tokens", 0),
                completion_tokens=usage.get("completion_tokens", 0),
            ),
            withheld=self._filter.leaked,
            source="none" if not citations else "quote" if self._quoted else "model",
        )

    def _ground(self, documents: list[Document], wanted: Mapping[str, float] | None = None) -> None:
        self._ranked = documents
        if self.permit is not None:
            self._documents = {document.meta["document_id"] for document in documents}
        self._grounding = Grounding(self.question, documents, self.settings.max_unsupported, wanted)

    def _drop_withdrawn(self) -> None:
        """Go on without the passages that were deleted, or closed to who asks, in the meantime."""
        if self.permit is None or all(map(self.permit.allows, self._documents)):
            return
        kept = self.permit.kept(self._ranked)
        if len(kept) < len(self._ranked):
            self._ground(kept)
            # Without weighing there is no telling which words come from where.
            self.stopped = self.stopped or self.settings.grounding == "off"

    def _may_cite(self, document: Document) -> bool:
        return self.permit is None or self.permit.allows(document.meta["document_id"])

    def _out(self, texts: list[str]) -> list[str]:
        if texts:
            self._seconds.setdefault("first_token", time.perf_counter() - self._started)
        return texts

    def _taken_in(self, delta: str) -> list[str]:
        """Return the text of the sentences that the new piece ends."""
        self._drop_withdrawn()
        if self.settings.grounding == "off":
            if self.stopped or not delta:
                return []
            self._said.append((delta, None))
            return [delta]
        texts: list[str] = []
        for sentence in self._buffer.feed(delta):
            if self.stopped:
                break
            texts += self._weighed(sentence)
        return texts

    def _weighed(self, sentence: str) -> list[str]:
        """Return what is to go out of a sentence that is over, or stop the answer before it."""
        supporter = self._grounding.supporter(sentence) if self._grounding else None
        # Small models end in a loop.
        again = any(said.strip() == sentence.strip() for said, _ in self._said)
        if supporter is None or again:
            self.stopped = True
            return self._left_off()
        text = self._placed(sentence.strip())
        self._said.append((text, supporter))
        left = text[len(self._ahead) :]
        self._ahead = ""
        return [left] if left else []

    def _held_so_far(self) -> list[str]:
        """Return what more can go out of the sentence under way."""
        begun = whole_words(self._buffer.begun)
        text = self._placed(begun)
        if len(text) <= len(self._ahead) or self._grounding is None:
            return []
        if any(said.strip().startswith(begun) for said, _ in self._said):
            return []  # perhaps the same once more
        words = frozenset(key_words(begun))
        if self._said and not words:
            return []  # only the first word is waited for
        # What may be the end is weighed as one.
        held = (
            self._grounding.supporter(begun) is not None
            if begun.endswith((".", "!", "?"))
            else self._grounding.holds(words)
        )
        if not held:
            return []
        ahead, self._ahead = self._ahead, text
        return [text[len(ahead) :]]

    def _left_off(self) -> list[str]:
        """Mark the sentence under way as one that has no end here, if any of it is out."""
        ahead, self._ahead = self._ahead, ""
        if not ahead:
            return []
        self._said.append((ahead + LEFT_OFF, None))
        return [LEFT_OFF]

    def _stop_at_leak(self) -> list[str]:
        """End the answer where the model began to tell what it was told."""
        if not self._filter.leaked or self.stopped:
            return []
        self.stopped = True
        if self.settings.grounding == "off" and self._said:
            self._said.append((LEFT_OFF, None))
            return [LEFT_OFF]
        return self._left_off()

    def _placed(self, sentence: str) -> str:
        return f" {sentence}" if self._said else sentence

    def _without_model(self) -> str:
        """Say what the documents say where the model found no words for it that they hold."""
        quotes = self._quotes([(self.question, 1.0)], self._ranked)
        if not quotes:
            text = self._placed(NOT_ANSWERED)
            self._said.append((text, None))
            return text
        best = max(quotes, key=lambda quote: quote.weight)
        self._quoted = best
        text = self._placed(inert(quoted_answer(best), [best.document]))
        self._said.append((text, None))
        return text

    def _quotes(self, texts: list[tuple[str, float]], documents: Sequence[Document]) -> list[Quote]:
        wanted = wanted_words(texts, self._ranked)
        longest = self.settings.quote_characters
        number = asks_for_number(self.question)
        found = (best_quote(document, wanted, longest, number=number) for document in documents)
        return [quote for quote in found if quote and quote.weight > 0]

    def _held(self) -> list[tuple[str, Window]]:
        """Return the sentences given out that a passage holds, by the order of the passages."""
        order = {document.id: place for place, document in enumerate(self._ranked)}
        held = [(text, window) for text, window in self._said if window is not None]
        kept = [each for each in held if each[1].document.id in order]
        return sorted(kept, key=lambda each: order[each[1].document.id])

    def _timings(self) -> Timings:
        total = time.perf_counter() - self._started
        return Timings(
            embed=round(self._seconds.get("embedder", 0.0), 4),
            retrieve=round(self._seconds.get("retriever", 0.0), 4),
            rerank=round(self._seconds.get("ranker", 0.0), 4),
            first_token=round(self._seconds.get("first_token", total), 4),
            total=round(total, 4),
        )
