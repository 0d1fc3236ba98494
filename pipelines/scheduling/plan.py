"""A pipeline's graph as the steps that every run takes."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import networkx  # type: ignore[import-untyped]
from haystack.core.component import Component
from haystack.core.component.types import InputSocket
from haystack.core.serialization import generate_qualified_class_name

# A default of these types would be shared between runs; the stock scheduler copies it.
MUTABLE = (list, dict, set)


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection: what goes out at `output` arrives at `socket` of `receiver`."""

    output: str
    receiver: str
    socket: str
    gathers: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One component as a run needs it."""

    name: str
    instance: Component
    run_async: Callable[..., Awaitable[Any]] | None
    # Sockets that a caller may fill, and must, and that must be filled before the component runs.
    free: frozenset[str]
    asked: frozenset[str]
    mandatory: frozenset[str]
    # Sockets that take the values of several senders: True where as a list of them, False where
    # they are lists to be joined.
    gathering: dict[str, bool]
    defaults: dict[str, Any]
    outputs: frozenset[str]
    wires: tuple[Wire, ...]
    consumed: frozenset[str]
    followers: tuple[str, ...]
    predecessors: int
    is_fed: bool
    tags: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps by name, and how many others each waits for; `chain` if only one can be next."""

    steps: dict[str, Step]
    predecessors: dict[str, int]
    first: tuple[Step, ...]
    chain: tuple[Step, ...] | None
    gathering: tuple[Step, ...]
    asking: tuple[Step, ...]

    def takes(self, data: dict[str, Any]) -> bool:
        """Say whether a run's input is complete and in the plain form, `{component: {socket: v}}`.

        Everything else, mistakes included, is for the stock scheduler.
        """
        for name, given in data.items():
            step = self.steps.get(name)
            if step is None or type(given) is not dict or not given.keys() <= step.free:
                return False
        return all(step.asked <= data.get(step.name, {}).keys() for step in self.asking)


def compiled(graph: networkx.MultiDiGraph) -> Plan | None:
    """Return the plan; None where the graph needs the stock scheduler.

    Those are loops, greedy sockets, connections that convert, and defaults that can be changed.
    """
    if not networkx.is_directed_acyclic_graph(graph):
        return None
    if any(edge.get("conversion_strategy") for *_, edge in graph.edges(data=True)):
        return None
    names = sorted(graph.nodes)
    sockets = [socket for name in names for socket in _inputs(graph, name).values()]
    if any(socket.is_greedy for socket in sockets):
        return None
    if any(not each.is_mandatory and isinstance(each.default_value, MUTABLE) for each in sockets):
        return None
    steps = {name: _step(graph, name) for name in names}
    return Plan(
        steps=steps,
        predecessors={name: step.predecessors for name, step in steps.items()},
        first=tuple(step for step in steps.values() if not step.predecessors),
        chain=_chain(graph, steps),
        gathering=tuple(step for step in steps.values() if step.gathering),
        asking=tuple(step for step in steps.values() if step.asked),
    )


def _chain(graph: networkx.MultiDiGraph, steps: dict[str, Step]) -> tuple[Step, ...] | None:
    generations = list(networkx.topological_generations(graph))
    if any(len(generation) > 1 for generation in generations):
        return None
    return tuple(steps[name] for (name,) in generations)


def _inputs(graph: networkx.MultiDiGraph, name: str) -> dict[str, InputSocket]:
    sockets: dict[str, InputSocket] = graph.nodes[name]["input_sockets"]
    return sockets


def _step(graph: networkx.MultiDiGraph, name: str) -> Step:
    node = graph.nodes[name]
    inputs = _inputs(graph, name)
    wires = tuple(_wires(graph, name))
    free = frozenset(key for key, socket in inputs.items() if not socket.senders)
    mandatory = frozenset(key for key, socket in inputs.items() if socket.is_mandatory)
    return Step(
        name=name,
        instance=node["instance"],
        run_async=getattr(node["instance"], "run_async", None),
        free=free,
        asked=free & mandatory,
        mandatory=mandatory,
        gathering={
            key: socket.wrap_input_in_list
            for key, socket in inputs.items()
            if socket.is_lazy_variadic
        },
        defaults={
            key: [socket.default_value] if socket.is_lazy_variadic else socket.default_value
            for key, socket in inputs.items()
            if not socket.is_mandatory
        },
        outputs=frozenset(node["output_sockets"]),
        wires=wires,
        consumed=frozenset(wire.output for wire in wires),
        followers=tuple(sorted({wire.receiver for wire in wires})),
        predecessors=len(set(graph.predecessors(name))),
        is_fed=any(socket.senders for socket in inputs.values()),
        tags=_tags(name, node),
    )


def _wires(graph: networkx.MultiDiGraph, name: str) -> Iterator[Wire]:
    for _, receiver, edge in graph.edges(nbunch=name, data=True):
        socket = edge["to_socket"]
        yield Wire(edge["from_socket"].name, receiver, socket.name, socket.is_lazy_variadic)


def _tags(name: str, node: dict[str, Any]) -> dict[str, Any]:
    """Return what the stock scheduler says of a component in its span, but for its inputs."""
    instance = node["instance"]
    return {
        "haystack.component.name": name,
        "haystack.component.type": type(instance).__name__,
        "haystack.component.fully_qualified_type": generate_qualified_class_name(type(instance)),
        "haystack.component.input_spec": {
            key: {"type": _type(socket.type), "senders": list(socket.senders)}
            for key, socket in node["input_sockets"].items()
        },
        "haystack.component.output_spec": {
            key: {"type": _type(socket.type), "receivers": list(socket.receivers)}
            for key, socket in node["output_sockets"].items()
        },
    }


def _type(given: Any) -> str:
    return given.__name__ if type(given) is type else str(given)
