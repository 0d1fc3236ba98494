"""The compiled plan against Haystack's own scheduler on the same graphs."""

import asyncio
import contextlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from haystack import Document, Pipeline, component
from haystack.components.joiners import BranchJoiner, DocumentJoiner
from haystack.core.errors import PipelineRuntimeError
from haystack.tracing.tracer import NullTracer, Span, Tracer, tracer
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fast_pipeline import FastPipeline

ALLOWED = ["tests.pipelines.*"]


@component
class Node:
    """Puts out what it was given; says nothing at `value` where it is `silent`."""

    def __init__(self, name: str, required: list[str], optional: list[str], kind: str) -> None:
        self.name, self.required, self.optional, self.kind = name, required, optional, kind
        for socket in required:
            component.set_input_type(self, socket, Any)
        for socket in [*optional, "given"]:
            component.set_input_type(self, socket, Any, ("nothing",))
        component.set_output_types(self, value=Any, note=str)

    def run(self, **kwargs: Any) -> dict[str, Any]:
        if self.kind == "failing":
            raise OSError(self.name)
        said = {"note": f"{self.name} ran"}
        if self.kind == "silent":
            return said
        return {**said, "value": (self.name, tuple(sorted(kwargs.items())))}


@component
class AsyncNode(Node):
    """The same on the event loop."""

    async def run_async(self, **kwargs: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        said: dict[str, Any] = self.run(**kwargs)
        return said


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any], set[str]]:
    """Draw components with their senders, the input of a run, and whose outputs are kept."""
    size = draw(st.integers(1, 6))
    names = [f"n{index}" for index in range(size)]
    failing = draw(st.sampled_from([None, None, None, *names]))
    nodes = []
    for index, name in enumerate(names):
        ties = {before: draw(st.sampled_from(["", "", "must", "may"])) for before in names[:index]}
        quiet = draw(st.booleans()) and draw(st.booleans())
        kind = "failing" if name == failing else "silent" if quiet else "plain"
        nodes.append(
            {
                "name": name,
                "required": [each for each, tie in ties.items() if tie == "must"],
                "optional": [each for each, tie in ties.items() if tie == "may"],
                "kind": kind,
                "async": draw(st.booleans()),
            }
        )
    fed = draw(st.sets(st.sampled_from(names)))
    data = {name: {"given": MappingProxyType({"by": "the caller"})} for name in fed}
    return nodes, data, draw(st.sets(st.sampled_from(names)))


def built(kind: type[Pipeline], nodes: list[dict[str, Any]]) -> Pipeline:
    pipeline = kind()
    for node in nodes:
        made = AsyncNode if node["async"] else Node
        parameters = {key: node[key] for key in ("name", "required", "optional", "kind")}
        pipeline.add_component(node["name"], made(**parameters))
    for node in nodes:
        for sender in [*node["required"], *node["optional"]]:
            pipeline.connect(f"{sender}.value", f"{node['name']}.{sender}")
    return pipeline


def outcome(pipeline: Pipeline, data: dict[str, Any], included: set[str]) -> object:
    async def run() -> dict[str, Any]:
        return await pipeline.run_async(dict(data), include_outputs_from=set(included))

    try:
        return asyncio.run(run())
    except PipelineRuntimeError as error:
        return type(error), str(error)


@given(graphs())
@settings(max_examples=60)
def test_any_graph_gives_what_the_stock_scheduler_gives(
    drawn: tuple[list[dict[str, Any]], dict[str, Any], set[str]],
) -> None:
    nodes, data, included = drawn
    fast = built(FastPipeline, nodes)

    assert outcome(fast, data, included) == outcome(built(Pipeline, nodes), data, included)
    assert isinstance(fast, FastPipeline)
    assert fast._planned() is not None


@component
class Found:
    """One of two searches."""

    def __init__(self, id: str) -> None:
        self.id = id

    @component.output_types(documents=list[Document])
    async def run_async(self) -> dict[str, list[Document]]:
        return self.run()

    @component.output_types(documents=list[Document])
    def run(self) -> dict[str, list[Document]]:
        return {"documents": [Document(id=self.id, content=self.id)]}


@pytest.mark.parametrize("kind", [Pipeline, FastPipeline])
def test_a_joiner_gathers_its_senders(kind: type[Pipeline]) -> None:
    pipeline = kind()
    pipeline.add_components({"a": Found("a"), "b": Found("b"), "both": DocumentJoiner()})
    pipeline.connect("a", "both").connect("b", "both")

    again = kind.loads(pipeline.dumps(), allowed_modules=ALLOWED)
    outputs = asyncio.run(again.run_async({}))

    assert isinstance(again, kind)
    assert {document.id for document in outputs["both"]["documents"]} == {"a", "b"}


@component
class Meeting:
    """Ends once both of a pair have come."""

    def __init__(self, barrier: Any) -> None:
        self.barrier = barrier

    @component.output_types(met=bool)
    def run(self) -> dict[str, bool]:
        raise NotImplementedError

    @component.output_types(met=bool)
    async def run_async(self) -> dict[str, bool]:
        self.barrier[0] += 1
        while self.barrier[0] < 2:
            await asyncio.sleep(0)
        return {"met": True}


def test_independent_components_run_side_by_side() -> None:
    barrier = [0]
    pipeline = FastPipeline()
    pipeline.add_components({"one": Meeting(barrier), "other": Meeting(barrier)})

    outputs = asyncio.run(pipeline.run_async({}))

    assert outputs == {"one": {"met": True}, "other": {"met": True}}


@component
class Patient:
    """Waits for ever and notes that it was cancelled."""

    cancelled = False

    @component.output_types(done=bool)
    def run(self) -> dict[str, bool]:
        raise NotImplementedError

    @component.output_types(done=bool)
    async def run_async(self) -> dict[str, bool]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return {"done": True}


def test_an_error_cancels_what_runs_beside_it() -> None:
    patient = Patient()
    pipeline = FastPipeline()
    pipeline.add_components({"patient": patient, "failing": AsyncNode("x", [], [], "failing")})

    with pytest.raises(PipelineRuntimeError, match="Component name: 'failing'"):
        asyncio.run(pipeline.run_async({}))

    assert patient.cancelled


@pytest.mark.parametrize("beside", [True, False])
def test_cancelling_a_run_cancels_its_components(beside: bool) -> None:
    patients = [Patient(), Patient()] if beside else [Patient()]
    pipeline = FastPipeline()
    pipeline.add_components({f"p{index}": each for index, each in enumerate(patients)})

    async def leave() -> None:
        task = asyncio.create_task(pipeline.run_async({}))
        await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(leave())

    assert all(patient.cancelled for patient in patients)


def test_partial_outputs_come_in_the_order_of_the_work() -> None:
    nodes = [
        {"name": "a", "required": [], "optional": [], "kind": "plain", "async": True},
        {"name": "b", "required": ["a"], "optional": [], "kind": "plain", "async": True},
    ]

    async def partial(pipeline: Pipeline) -> list[dict[str, Any]]:
        return [output async for output in pipeline.run_async_generator({})]

    fast, stock = built(FastPipeline, nodes), built(Pipeline, nodes)
    assert asyncio.run(partial(fast)) == asyncio.run(partial(stock))


def test_a_changed_graph_gets_a_new_plan() -> None:
    pipeline = FastPipeline()
    pipeline.add_component("a", AsyncNode("a", [], [], "plain"))
    asyncio.run(pipeline.run_async({}))

    pipeline.add_component("b", AsyncNode("b", ["a"], [], "plain"))
    pipeline.connect("a.value", "b.a")
    longer = asyncio.run(pipeline.run_async({}))
    pipeline.remove_component("b")
    shorter = asyncio.run(pipeline.run_async({}))

    assert (set(longer), "value" in longer["a"]) == ({"a", "b"}, False)
    assert "value" in shorter["a"]


def test_a_loop_is_left_to_the_stock_scheduler() -> None:
    pipeline = FastPipeline()
    pipeline.add_component("join", BranchJoiner(type_=str))

    outputs = asyncio.run(pipeline.run_async({"join": {"value": "x"}}))

    assert pipeline._planned() is None
    assert outputs == {"join": {"value": "x"}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nobody": {"x": 1}}, "Component named 'nobody' not found"),
        ({"b": {"x": 1}}, "Input 'x' not found in component 'b'"),
        ({}, "Missing mandatory input 'a' for component 'b'"),
    ],
)
def test_a_wrong_input_is_told_as_haystack_tells_it(data: dict[str, Any], message: str) -> None:
    pipeline = FastPipeline()
    pipeline.add_component("b", AsyncNode("b", ["a"], [], "plain"))

    with pytest.raises(ValueError, match=message):
        asyncio.run(pipeline.run_async(data))


def test_flat_input_is_spread_as_haystack_spreads_it() -> None:
    pipeline = FastPipeline()
    pipeline.add_component("b", AsyncNode("b", ["a"], [], "plain"))

    outputs = asyncio.run(pipeline.run_async({"a": "flat"}))

    assert outputs["b"]["value"][1][0] == ("a", "flat")


@component
class Warm:
    """Counts how often it is warmed up."""

    times = 0

    def warm_up(self) -> None:
        self.times += 1

    @component.output_types(times=int)
    def run(self) -> dict[str, int]:
        return {"times": self.times}


def test_it_warms_up_once_and_again_after_it_was_closed() -> None:
    pipeline = FastPipeline()
    pipeline.add_component("warm", Warm())

    async def runs() -> list[int]:
        counts = [(await pipeline.run_async({}))["warm"]["times"] for _ in range(2)]
        await pipeline.close_async()
        return [*counts, (await pipeline.run_async({}))["warm"]["times"]]

    assert asyncio.run(runs()) == [1, 1, 2]


class Recorded(Span):
    """A span that keeps its tags."""

    def __init__(self, name: str, parent: Span | None) -> None:
        self.name, self.parent, self.tags = name, parent, dict[str, Any]()

    def set_tag(self, key: str, value: Any) -> None:
        self.tags[key] = value


class Recorder(NullTracer):
    """Keeps spans as Hayhooks' live buffer does: it is a NullTracer too."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []

    @contextlib.contextmanager
    def trace(
        self,
        operation_name: str,
        tags: dict[str, Any] | None = None,
        parent_span: Span | None = None,
    ) -> Iterator[Span]:
        span = Recorded(operation_name, parent_span)
        span.tags |= tags or {}
        self.spans.append(span)
        yield span


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    before: Tracer = tracer.actual_tracer
    recorder = Recorder()
    tracer.actual_tracer = recorder
    tracer.is_content_tracing_enabled = True
    yield recorder
    tracer.actual_tracer = before
    tracer.is_content_tracing_enabled = False


def test_every_component_has_the_span_that_stock_gives_it(recorder: Recorder) -> None:
    nodes = [
        {"name": "a", "required": [], "optional": [], "kind": "plain", "async": True},
        {"name": "b", "required": ["a"], "optional": [], "kind": "plain", "async": True},
    ]

    asyncio.run(built(FastPipeline, nodes).run_async({"a": {"given": "x"}}))
    fast = [(span.name, span.tags, span.parent is None) for span in recorder.spans]
    recorder.spans.clear()
    asyncio.run(built(Pipeline, nodes).run_async({"a": {"given": "x"}}))
    stock = [(span.name, span.tags, span.parent is None) for span in recorder.spans]

    assert fast == stock
    assert [name for name, _, _ in fast] == ["haystack.pipeline.run"] + [
        "haystack.component.run"
    ] * 2
