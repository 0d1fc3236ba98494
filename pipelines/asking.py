"""Runs the query pipeline for one question: as a stream of text, or at once.

What is streamed is final: a sentence leaves only when a passage supports it, so the text of the
answer is always the deltas joined.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from haystack import Document, Pipeline
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import ChatMessage, StreamingChunk

from pipelines.answer import Answer, Timings, Usage
from pipelines.citations import (
    Quote,
    asks_for_number,
    best_quote,
    cite,
    quoted_answer,
    wanted_words,
)
from pipelines.errors import Stage, stage_error
from pipelines.filters import checked_filters
from pipelines.follow_up import Turn, stand_alone
from pipelines.grounding import Grounding, SentenceBuffer
from pipelines.prompts import NOT_ANSWERED
from pipelines.settings import QuerySettings

STAGES: dict[str, Stage] = {
    "embedder": "embedding",
    "retriever": "retrieval",
    "ranker": "ranking",
    "llm": "generation",
}

Event = StreamingChunk | dict[str, Any] | BaseException | None


@dataclass
class _Run:
    """What is known about a question under way."""

    question: str
    started: float
    seconds: dict[str, float] = field(default_factory=dict)
    ranked: list[Document] = field(default_factory=list)
    grounding: Grounding | None = None
    buffer: SentenceBuffer = field(default_factory=SentenceBuffer)
    # The sentences given out, each with the passage that holds it.
    said: list[tuple[str, Document | None]] = field(default_factory=list)
    quoted: Quote | None = None
    stopped: bool = False
    reply: ChatMessage | None = None

    def elapsed(self) -> float:
        return time.perf_counter() - self.started


class Asking:
    """Asks one collection; share it between requests of one event loop."""

    def __init__(self, pipeline: Pipeline, settings: QuerySettings, collection: str) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.collection = collection

    async def ask(
        self,
        question: str,
        *,
        filters: dict[str, Any] | None = None,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """Return the answer. Raises StageError, FilterRefused, or ValueError for no question."""
        async with contextlib.aclosing(
            self.stream(question, filters=filters, history=history)
        ) as parts:
            async for part in parts:
                if isinstance(part, Answer):
                    return part
        msg = "the stream ended without an answer"
        raise RuntimeError(msg)

    async def stream(
        self,
        question: str,
        *,
        filters: dict[str, Any] | None = None,
        history: Sequence[Turn] = (),
    ) -> AsyncGenerator[str | Answer, None]:
        """Yield the answer's text as it becomes certain, then the Answer.

        Closing the generator hangs up on the model.
        """
        if not question.strip():
            msg = "question is empty: expected a sentence"
            raise ValueError(msg)
        started = time.perf_counter()
        run = _Run(stand_alone(question.strip(), history), started=started)
        checked = checked_filters(filters)
        events: asyncio.Queue[Event] = asyncio.Queue()
        task = asyncio.create_task(self._pump(run.question, checked, events))
        try:
            while not run.stopped:
                event = await events.get()
                if event is None:
                    break
                for text in self._texts(run, event):
                    run.seconds.setdefault("first_token", run.elapsed())
                    yield text
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for text in self._last_texts(run):
            run.seconds.setdefault("first_token", run.elapsed())
            yield text
        yield self._answer(run)

    async def close(self) -> None:
        """Close the clients; the next question opens them again."""
        await self.pipeline.close_async()

    async def _pump(
        self,
        question: str,
        filters: dict[str, Any] | None,
        events: asyncio.Queue[Event],
    ) -> None:
        async def forward(chunk: StreamingChunk) -> None:
            await events.put(chunk)

        inputs = {
            "embedder": {"text": question},
            "retriever": {"filters": filters},
            "ranker": {"query": question},
            "gate": {"question": question},
            "prompt": {"question": question},
            "llm": {"streaming_callback": forward},
        }
        outputs = self.pipeline.run_async_generator(inputs)
        try:
            async with contextlib.aclosing(outputs):
                async for output in outputs:
                    await events.put(output)
        except Exception as error:
            await events.put(error)
        else:
            await events.put(None)

    def _texts(self, run: _Run, event: Event) -> list[str]:
        """Take in what the pipeline did, and return the text that became certain by it."""
        if isinstance(event, BaseException):
            raise _translated(event) from event
        if isinstance(event, StreamingChunk):
            return self._heard(run, event.content)
        for component, output in (event or {}).items():
            run.seconds[component] = output.get("seconds", 0.0)
            if component == "gate":
                run.ranked = output["documents"]
                run.grounding = Grounding(run.question, run.ranked, self.settings.max_unsupported)
            elif component == "llm":
                run.reply = output["replies"][0] if output["replies"] else None
        return []

    def _heard(self, run: _Run, delta: str) -> list[str]:
        if self.settings.grounding == "off":
            run.said.append((delta, None))
            return [delta] if delta else []
        texts = []
        for sentence in run.buffer.feed(delta):
            if run.stopped:
                break
            texts += self._weighed(run, sentence)
        return texts

    def _weighed(self, run: _Run, sentence: str) -> list[str]:
        """Return the sentence as text to give out, or stop the answer before it."""
        supporter = run.grounding.supporter(sentence) if run.grounding else None
        if supporter is None:
            run.stopped = True
            return []
        # Small models end in a loop.
        if any(said.strip() == sentence.strip() for said, _ in run.said):
            run.stopped = True
            return []
        text = f"{' ' if run.said else ''}{sentence.strip()}"
        run.said.append((text, supporter))
        return [text]

    def _last_texts(self, run: _Run) -> list[str]:
        texts = []
        rest = run.buffer.rest()
        # A sentence that the token limit cut says who knows what.
        cut = run.reply is not None and run.reply.meta.get("finish_reason") == "length"
        if rest.strip() and not run.stopped and not cut:
            texts = self._weighed(run, rest)
        if not run.said:
            texts = [self._without_model(run)]
        return texts

    def _without_model(self, run: _Run) -> str:
        """Say what the documents say where the model found no words for it that they hold."""
        quotes = self._quotes(run, [(run.question, 1.0)], run.ranked)
        if not quotes:
            run.said.append((NOT_ANSWERED, None))
            return NOT_ANSWERED
        best = max(quotes, key=lambda quote: quote.weight)
        run.quoted = best
        text = quoted_answer(best)
        run.said.append((text, best.document))
        return text

    def _quotes(
        self, run: _Run, texts: list[tuple[str, float]], documents: Sequence[Document]
    ) -> list[Quote]:
        wanted = wanted_words(texts, run.ranked)
        longest = self.settings.quote_characters
        number = asks_for_number(run.question)
        found = (best_quote(document, wanted, longest, number=number) for document in documents)
        return [quote for quote in found if quote and quote.weight > 0]

    def _answer(self, run: _Run) -> Answer:
        text = "".join(part for part, _ in run.said)
        if run.quoted:
            quotes = [run.quoted]
        elif run.said and run.ranked:
            supporters = [document for document in run.ranked if self._supports(run, document)]
            quotes = self._quotes(run, [(text, 1.0), (run.question, 0.5)], supporters)
        else:
            quotes = []
        citations = cite(quotes)
        usage = run.reply.meta.get("usage") or {} if run.reply else {}
        return Answer(
            answer=text,
            answerable=bool(citations),
            citations=citations,
            timings=_timings(run),
            model=self.settings.llm.model,
            collection=self.collection,
            usage=Usage(
                prompt_tokens=usage.get("prompt_tokens", 0),
                completion_tokens=usage.get("completion_tokens", 0),
            ),
            source="none" if not citations else "quote" if run.quoted else "model",
        )

    def _supports(self, run: _Run, document: Document) -> bool:
        if self.settings.grounding == "off":
            return True
        return any(
            supporter is not None and supporter.id == document.id for _, supporter in run.said
        )


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, PipelineRuntimeError):
        cause = error.__cause__ or error
        stage = STAGES.get(error.component_name or "")
        return (stage and stage_error(stage, cause)) or cause
    return error


def _timings(run: _Run) -> Timings:
    total = run.elapsed()
    return Timings(
        embed=round(run.seconds.get("embedder", 0.0), 4),
        retrieve=round(run.seconds.get("retriever", 0.0), 4),
        rerank=round(run.seconds.get("ranker", 0.0), 4),
        first_token=round(run.seconds.get("first_token", total), 4),
        total=round(total, 4),
    )
