"""Haystack's pipeline with its order of work compiled once instead of found anew at every turn.

The stock scheduler costs 0.2 ms of CPU per component and copies every value that crosses a
connection: 1.2 ms for five components that do nothing, against 0.02 ms here. Graph, type checks,
YAML, spans and errors stay Haystack's, and what is not plain goes to its scheduler.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, Self

from haystack import Pipeline
from haystack.core.component import Component
from haystack.core.serialization_security import mark_deserialization_internal
from haystack.telemetry._telemetry import pipeline_running
from haystack.tracing.tracer import NullTracer, Span, tracer

from pipelines.scheduling.plan import Plan, compiled
from pipelines.scheduling.run import Run, Tell

LIMIT = 4  # Haystack's own, of components at once


class FastPipeline(Pipeline):
    """A Pipeline whose asynchronous runs follow a compiled plan.

    Values are handed over as they are, not copied: components must not change their inputs. It
    warms up once for an event loop, and again after it was closed.
    """

    _compiled = False
    _plan: Plan | None = None
    _warm_on: asyncio.AbstractEventLoop | None = None

    def _add_component_to_graph(self, name: str, instance: Component) -> None:
        self._forget()
        super()._add_component_to_graph(name, instance)

    def remove_component(self, name: str) -> Component:
        """Remove and return a component."""
        self._forget()
        return super().remove_component(name)

    def connect(self, sender: str, receiver: str) -> Self:
        """Connect two components."""
        self._forget()
        return super().connect(sender, receiver)

    def close(self) -> None:
        """Release what the components hold outside of an event loop."""
        self._warm_on = None
        super().close()

    async def close_async(self) -> None:
        """Release what the components hold; the next run takes it again."""
        self._warm_on = None
        await super().close_async()

    @mark_deserialization_internal
    async def run_async(
        self,
        data: dict[str, Any],
        include_outputs_from: set[str] | None = None,
        concurrency_limit: int = LIMIT,
    ) -> dict[str, Any]:
        """Run the pipeline; the arguments, outputs and errors are those of Pipeline.run_async."""
        plan = await self._ready(data, concurrency_limit)
        if plan is None:
            return await super().run_async(data, include_outputs_from, concurrency_limit)
        with self._root_span(data) as span:
            run = Run(plan, data, include_outputs_from or set(), concurrency_limit, span)
            await run.whole()
            return run.finished()

    @mark_deserialization_internal
    async def run_async_generator(
        self,
        data: dict[str, Any],
        include_outputs_from: set[str] | None = None,
        concurrency_limit: int = LIMIT,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Run the pipeline; yield what each component puts out, then all of it."""
        plan = await self._ready(data, concurrency_limit)
        if plan is None:
            outputs = super().run_async_generator(data, include_outputs_from, concurrency_limit)
            async with contextlib.aclosing(outputs):
                async for partial in outputs:
                    yield partial
            return
        with self._root_span(data) as span:
            run = Run(plan, data, include_outputs_from or set(), concurrency_limit, span)
            async with contextlib.aclosing(run.steps()) as steps:
                async for partial in steps:
                    yield partial
            yield run.finished()

    async def _ready(self, data: dict[str, Any], concurrency_limit: int) -> Plan | None:
        """Return the plan for this run, all components warm; None where stock has to run it."""
        plan = self._planned()
        if plan is None or concurrency_limit < 1 or not plan.takes(data):
            return None
        loop = asyncio.get_running_loop()
        if self._warm_on is not loop:
            await self.warm_up_async()
            self._warm_on = loop
        pipeline_running(self)
        return plan

    def _root_span(self, data: dict[str, Any]) -> contextlib.AbstractContextManager[Span | None]:
        # A subclass of NullTracer is a tracer: Hayhooks keeps spans in one.
        if type(tracer.actual_tracer) is NullTracer:
            return contextlib.nullcontext()
        return tracer.trace(
            "haystack.pipeline.run",
            tags={
                "haystack.pipeline.input_data": data,
                "haystack.pipeline.metadata": self.metadata,
                "haystack.pipeline.max_runs_per_component": self._max_runs_per_component,
                "haystack.pipeline.execution_mode": "async",
            },
        )

    def _planned(self) -> Plan | None:
        if not self._compiled:
            self._plan = compiled(self.graph) if self._max_runs_per_component > 0 else None
            self._compiled = True
        return self._plan

    def _forget(self) -> None:
        self._compiled = False
        self._warm_on = None


async def run_telling(pipeline: Pipeline, data: dict[str, Any], tell: Tell) -> None:
    """Run the pipeline, and tell what each component puts out before the next one runs.

    Of a chain this is the generator's work without it: what a model streams would pass through
    two, and the event loop keeps a list of all that are open.
    """
    fast = pipeline if isinstance(pipeline, FastPipeline) else None
    plan = await fast._ready(data, LIMIT) if fast else None
    if fast is None or plan is None or plan.chain is None:
        async with contextlib.aclosing(pipeline.run_async_generator(data)) as partials:
            async for partial in partials:
                for name, outputs in partial.items():
                    tell(name, outputs)
        return
    with fast._root_span(data) as span:
        run = Run(plan, data, set(), LIMIT, span)
        await run.whole(tell)
        run.finished()
