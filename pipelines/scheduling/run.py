"""One run of a pipeline along its plan."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from itertools import chain
from typing import Any

from haystack.core.errors import (
    BreakpointException,
    PipelineComponentsBlockedError,
    PipelineRuntimeError,
)
from haystack.core.pipeline.base import _validate_component_output_keys
from haystack.tracing.tracer import Span, tracer
from haystack.utils.async_utils import _execute_component_async

from pipelines.scheduling.plan import Plan, Step

Outputs = Mapping[str, Any]
Tell = Callable[[str, Outputs], None]


class Run:
    """Values on their way from component to component; `span` is None where nothing is traced."""

    def __init__(
        self,
        plan: Plan,
        data: dict[str, Any],
        included: set[str],
        limit: int,
        span: Span | None,
    ) -> None:
        self.outputs: dict[str, Any] = {}
        self._ran = 0
        self._plan = plan
        self._included = included
        self._limit = limit
        self._span = span
        self._values = {name: dict(data.get(name, ())) for name in plan.steps}
        for step in plan.gathering:
            values = self._values[step.name]
            for socket in step.gathering.keys() & values.keys():
                values[socket] = [("", values[socket])]

    def finished(self) -> dict[str, Any]:
        """Return everything that came out. Raises PipelineComponentsBlockedError for nothing."""
        if self._plan.steps and not self._ran:
            raise PipelineComponentsBlockedError
        if self._span is not None:
            self._span.set_content_tag("haystack.pipeline.output_data", self.outputs)
        return self.outputs

    async def whole(self, tell: Tell | None = None) -> None:
        """Do all steps; in a chain, which most pipelines are, one after the other.

        Of a chain `tell` hears what each puts out.
        """
        if self._plan.chain is None:
            async with contextlib.aclosing(self.steps()) as steps:
                async for _ in steps:
                    pass
            return
        for step in self._plan.chain:
            outputs = await self._done(step)
            if outputs or (outputs is not None and step.name in self._included):
                self.outputs[step.name] = outputs
                if tell is not None:
                    tell(step.name, outputs)

    async def steps(self) -> AsyncGenerator[dict[str, Any], None]:
        """Do each step as soon as those before it are done; yield what each puts out.

        A step alone is awaited here; more than one are tasks, and the error of one cancels the
        others, as does closing the iterator.
        """
        waits = dict(self._plan.predecessors)
        ready = list(self._plan.first)
        running: dict[asyncio.Task[Outputs | None], Step] = {}
        try:
            while ready or running:
                if len(ready) == 1 and not running:
                    step = ready.pop()
                    done = [(step, await self._done(step))]
                else:
                    starting = ready[: self._limit - len(running)]
                    del ready[: len(starting)]
                    running |= {asyncio.create_task(self._done(step)): step for step in starting}
                    finished, _ = await asyncio.wait(running, return_when="FIRST_COMPLETED")
                    done = [(running.pop(task), task.result()) for task in finished]
                for step, outputs in done:
                    for name in step.followers:
                        waits[name] -= 1
                        if not waits[name]:
                            ready.append(self._plan.steps[name])
                    if outputs or (outputs is not None and step.name in self._included):
                        self.outputs[step.name] = outputs
                        yield {step.name: outputs}
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.gather(*running, return_exceptions=True)

    async def _done(self, step: Step) -> Outputs | None:
        """Run a component and hand its outputs on; None where it has nothing to run on."""
        # Taken out: what only this step needs is not held while a language model speaks.
        values = self._values.pop(step.name)
        # Set off by a value, from a caller or another component, or by nothing where none can come.
        if not values and step.is_fed:
            return None
        if not step.mandatory <= values.keys():
            return None
        for socket in step.gathering.keys() & values.keys() if step.gathering else ():
            gathered = [value for _, value in sorted(values[socket], key=lambda pair: pair[0])]
            wrapped = step.gathering[socket]
            values[socket] = gathered if wrapped else list(chain.from_iterable(gathered))
        inputs = {**step.defaults, **values}
        outputs = await (
            self._executed(step, inputs) if self._span is None else self._traced(step, inputs)
        )
        self._ran += 1
        for wire in step.wires:
            if wire.output in outputs:
                receiver = self._values[wire.receiver]
                if wire.gathers:
                    receiver.setdefault(wire.socket, []).append((step.name, outputs[wire.output]))
                else:
                    receiver[wire.socket] = outputs[wire.output]
        if step.name in self._included or not step.consumed:
            return outputs
        return {key: value for key, value in outputs.items() if key not in step.consumed}

    async def _executed(self, step: Step, inputs: dict[str, Any]) -> Outputs:
        kind = type(step.instance)
        try:
            if step.run_async is not None:
                outputs = await step.run_async(**inputs)
            else:
                outputs = await _execute_component_async(step.instance, **inputs)
        except (BreakpointException, PipelineRuntimeError):
            raise
        except Exception as error:
            raise PipelineRuntimeError.from_exception(step.name, kind, error) from error
        if type(outputs) is not dict and not isinstance(outputs, Mapping):
            raise PipelineRuntimeError.from_invalid_output(step.name, kind, outputs)
        if not outputs.keys() <= step.outputs:
            sockets = dict.fromkeys(step.outputs)
            node = {"instance": step.instance, "output_sockets": sockets}
            _validate_component_output_keys(step.name, node, outputs)
        return outputs

    async def _traced(self, step: Step, inputs: dict[str, Any]) -> Outputs:
        types = {key: type(value).__name__ for key, value in inputs.items()}
        tags = {**step.tags, "haystack.component.input_types": types}
        with tracer.trace("haystack.component.run", tags=tags, parent_span=self._span) as span:
            span.set_content_tag("haystack.component.input", inputs)
            outputs = await self._executed(step, inputs)
            span.set_tag("haystack.component.visits", 1)
            span.set_content_tag("haystack.component.output", outputs)
        return outputs
