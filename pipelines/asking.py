"""Runs the query pipeline for one question: as a stream of text, or at once.

What is streamed is final: a sentence leaves only when a passage supports it, so the text of the
answer is always the deltas joined.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from haystack import Document, Pipeline
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import StreamingChunk

from pipelines.answer import Answer
from pipelines.draft import Draft
from pipelines.errors import Stage, stage_error
from pipelines.fast_pipeline import run_telling
from pipelines.fencing import defused, system_text
from pipelines.filters import checked_filters
from pipelines.follow_up import Turn, stand_alone
from pipelines.permit import Permit
from pipelines.settings import QuerySettings

STAGES: dict[str, Stage] = {
    "embedder": "embedding",
    "retriever": "retrieval",
    "ranker": "ranking",
    "llm": "generation",
}

Sink = Callable[[str], Awaitable[None]]


class _Enough(asyncio.CancelledError):
    """Nothing more that the model says is wanted: both engines hang up on it when cancelled."""


class Asking:
    """Asks one collection; share it between requests of one event loop."""

    def __init__(self, pipeline: Pipeline, settings: QuerySettings, collection: str) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.collection = collection
        self._told = system_text(settings.template)

    async def ask(
        self,
        question: str,
        *,
        filters: dict[str, Any] | None = None,
        history: Sequence[Turn] = (),
        permit: Permit | None = None,
    ) -> Answer:
        """Return the answer. Raises StageError, FilterRefused, or ValueError for no question.

        The model's reply comes whole: read token by token a question of 50 tokens costs 1.6 times
        the CPU. Cancelling the task hangs up on the model.
        """
        draft = self._draft(question, history, permit)
        inputs = pipeline_inputs(draft.question, checked_filters(filters), permit)
        try:
            outputs = await self.pipeline.run_async(inputs)
        except PipelineRuntimeError as error:
            raise _translated(error) from error
        for component, output in outputs.items():
            draft.saw(component, output)
        draft.heard_whole()
        draft.last_texts()
        return draft.answer()

    async def tell(
        self,
        question: str,
        sink: Sink,
        *,
        filters: dict[str, Any] | None = None,
        history: Sequence[Turn] = (),
        permit: Permit | None = None,
    ) -> tuple[list[str], Answer]:
        """Give the answer's text to `sink` as it becomes certain; return its rest and the Answer.

        The rest is what only the end of the reply makes certain: it can go out with the Answer.
        Raises as `ask`. Cancelling the task hangs up on the model.
        """
        draft = self._draft(question, history, permit)

        async def heard(chunk: StreamingChunk) -> None:
            for text in draft.heard(chunk.content):
                await sink(text)
            if draft.stopped:
                raise _Enough

        inputs = {
            **pipeline_inputs(draft.question, checked_filters(filters), permit),
            "llm": {"streaming_callback": heard},
        }
        try:
            await run_telling(self.pipeline, inputs, draft.saw)
        except PipelineRuntimeError as error:
            raise _translated(error) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not draft.stopped or (task is not None and task.cancelling()):
                raise
        return draft.last_texts(), draft.answer()

    async def close(self) -> None:
        """Close the clients; the next question opens them again."""
        await self.pipeline.close_async()

    def _draft(self, question: str, history: Sequence[Turn], permit: Permit | None) -> Draft:
        if not question.strip():
            msg = "question is empty: expected a sentence"
            raise ValueError(msg)
        whole = stand_alone(question.strip(), history)
        return Draft(whole, self.settings, self.collection, permit, self._told)


class Searching:
    """Finds passages in one collection without the language model."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    async def search(
        self,
        question: str,
        *,
        filters: dict[str, Any] | None,
        top_k: int,
        permit: Permit | None = None,
    ) -> tuple[list[Document], list[str]]:
        """Return the best passages, and the stages left out. Raises StageError, FilterRefused."""
        inputs = {
            "embedder": {"text": question},
            "retriever": {
                "filters": checked_filters(filters),
                "top_k": max(top_k, 20),
                "permit": permit,
            },
            "ranker": {"query": question, "top_k": top_k},
        }
        try:
            outputs = await self.pipeline.run_async(inputs)
        except PipelineRuntimeError as error:
            raise _translated(error) from error
        ranked = outputs["ranker"]
        documents: list[Document] = ranked["documents"]
        if permit is not None:
            documents = permit.kept(documents)
        return documents, ["ranking"] if ranked["degraded"] else []

    async def close(self) -> None:
        """Close the clients; the next question opens them again."""
        await self.pipeline.close_async()


def pipeline_inputs(
    question: str, filters: dict[str, Any] | None = None, permit: Permit | None = None
) -> dict[str, Any]:
    """Return what a question is for each component of its pipeline."""
    return {
        "embedder": {"text": question},
        "retriever": {"filters": filters, "permit": permit},
        "ranker": {"query": question},
        "gate": {"question": question},
        "prompt": {"question": defused(question)},
    }


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, PipelineRuntimeError):
        cause = error.__cause__ or error
        stage = STAGES.get(error.component_name or "")
        return (stage and stage_error(stage, cause)) or cause
    return error
