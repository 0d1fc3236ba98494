"""An answer in the making: what the model says, held against the passages as it comes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from haystack import Document
from haystack.dataclasses import ChatMessage

from pipelines.answer import Answer, Timings, Usage
from pipelines.citations import (
    Quote,
    asks_for_number,
    best_quote,
    cite,
    quoted_answer,
    wanted_words,
)
from pipelines.grounding import Grounding, SentenceBuffer
from pipelines.permit import Permit
from pipelines.prompts import NOT_ANSWERED
from pipelines.settings import QuerySettings


@dataclass
class Draft:
    """One question under way: `saw` and `heard` take in what happens, `answer` ends it."""

    question: str
    settings: QuerySettings
    collection: str
    permit: Permit | None = None
    # Nothing more that the model says is wanted.
    stopped: bool = False
    _started: float = field(default_factory=time.perf_counter)
    _seconds: dict[str, float] = field(default_factory=dict)
    _degraded: list[Literal["ranking"]] = field(default_factory=list)
    _ranked: list[Document] = field(default_factory=list)
    _grounding: Grounding | None = None
    _buffer: SentenceBuffer = field(default_factory=SentenceBuffer)
    # The sentences given out, each with the passage that holds it.
    _said: list[tuple[str, Document | None]] = field(default_factory=list)
    _quoted: Quote | None = None
    _reply: ChatMessage | None = None

    def saw(self, component: str, output: Mapping[str, Any]) -> None:
        """Take in what a component of the pipeline put out."""
        self._seconds[component] = output.get("seconds", 0.0)
        if component == "ranker" and output.get("degraded"):
            self._degraded.append("ranking")
        elif component == "gate":
            self._ground(output["documents"])
        elif component == "llm":
            self._reply = output["replies"][0] if output["replies"] else None

    def heard_whole(self) -> None:
        """Take in the reply that was seen at once instead of piece by piece."""
        if self._reply is not None:
            self.heard(self._reply.text or "")

    def heard(self, delta: str) -> list[str]:
        """Take in a piece of the reply, and return the text that became certain by it."""
        self._drop_withdrawn()
        if self.settings.grounding == "off":
            if self.stopped:
                return []
            self._said.append((delta, None))
            return self._out([delta] if delta else [])
        texts = []
        for sentence in self._buffer.feed(delta):
            if self.stopped:
                break
            texts += self._weighed(sentence)
        return self._out(texts)

    def last_texts(self) -> list[str]:
        """Return what is left to give out when the reply is over."""
        self._drop_withdrawn()
        texts = []
        rest = self._buffer.rest()
        # A sentence that the token limit cut says who knows what.
        cut = self._reply is not None and self._reply.meta.get("finish_reason") == "length"
        if rest.strip() and not self.stopped and not cut:
            texts = self._weighed(rest)
        if not self._said:
            texts = [self._without_model()]
        return self._out(texts)

    def answer(self) -> Answer:
        """Return the answer with its citations."""
        self._drop_withdrawn()
        text = "".join(part for part, _ in self._said)
        if self._quoted and self._may_cite(self._quoted.document):
            quotes = [self._quoted]
        elif self._said and self._ranked:
            supporters = [document for document in self._ranked if self._supports(document)]
            quotes = self._quotes([(text, 1.0), (self.question, 0.5)], supporters)
        else:
            quotes = []
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
            source="none" if not citations else "quote" if self._quoted else "model",
        )

    def _ground(self, documents: list[Document]) -> None:
        self._ranked = documents
        self._grounding = Grounding(self.question, documents, self.settings.max_unsupported)

    def _drop_withdrawn(self) -> None:
        """Go on without the passages that were deleted, or closed to who asks, in the meantime."""
        if self.permit is None:
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

    def _weighed(self, sentence: str) -> list[str]:
        """Return the sentence as text to give out, or stop the answer before it."""
        supporter = self._grounding.supporter(sentence) if self._grounding else None
        if supporter is None:
            self.stopped = True
            return []
        # Small models end in a loop.
        if any(said.strip() == sentence.strip() for said, _ in self._said):
            self.stopped = True
            return []
        text = f"{' ' if self._said else ''}{sentence.strip()}"
        self._said.append((text, supporter))
        return [text]

    def _without_model(self) -> str:
        """Say what the documents say where the model found no words for it that they hold."""
        quotes = self._quotes([(self.question, 1.0)], self._ranked)
        if not quotes:
            self._said.append((NOT_ANSWERED, None))
            return NOT_ANSWERED
        best = max(quotes, key=lambda quote: quote.weight)
        self._quoted = best
        text = quoted_answer(best)
        self._said.append((text, best.document))
        return text

    def _quotes(self, texts: list[tuple[str, float]], documents: Sequence[Document]) -> list[Quote]:
        wanted = wanted_words(texts, self._ranked)
        longest = self.settings.quote_characters
        number = asks_for_number(self.question)
        found = (best_quote(document, wanted, longest, number=number) for document in documents)
        return [quote for quote in found if quote and quote.weight > 0]

    def _supports(self, document: Document) -> bool:
        if self.settings.grounding == "off":
            return True
        return any(
            supporter is not None and supporter.id == document.id for _, supporter in self._said
        )

    def _timings(self) -> Timings:
        total = time.perf_counter() - self._started
        return Timings(
            embed=round(self._seconds.get("embedder", 0.0), 4),
            retrieve=round(self._seconds.get("retriever", 0.0), 4),
            rerank=round(self._seconds.get("ranker", 0.0), 4),
            first_token=round(self._seconds.get("first_token", total), 4),
            total=round(total, 4),
        )
