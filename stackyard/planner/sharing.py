"""What can go wrong where models share GPUs or nodes, and the setting that divides a GPU."""

import math
from collections.abc import Iterator
from dataclasses import replace

from stackyard.planner.facts import Gpu
from stackyard.planner.fitting import fit_of
from stackyard.planner.memory import DRIVER_BYTES, UTILIZATION, room_of
from stackyard.planner.placing import Placed, Placement
from stackyard.planner.wants import Wants, gib


def memory_fraction(gpu: Gpu, beside: int) -> float:
    """Return vLLM's --gpu-memory-utilization beside programs of so many bytes, rounded down."""
    seen = gpu.memory_mib * 2**20 - DRIVER_BYTES
    return math.floor((UTILIZATION - beside / seen) * 100) / 100


def memory_settings(placement: Placement) -> list[str]:
    """Return the settings that tell each language model its part of a shared GPU.

    Left out where the stack says as much or less. Untold, vLLM takes UTILIZATION of the whole, or
    refuses to start beside its neighbours.
    """
    groups: dict[tuple[int, int], list[Placed]] = {}
    for each in placement.placed:
        if len(each.gpus) == 1:
            groups.setdefault((each.node, each.gpus[0]), []).append(each)
    said = []
    for (node, _), group in groups.items():
        llm = next((each for each in group if each.need.kv_token_bytes), None)
        if llm is not None and len(group) > 1:
            beside = sum(each.need.bytes for each in group if each is not llm)
            fraction = memory_fraction(placement.nodes[node].kind.gpu, beside)
            if llm.want.told_fraction is not None and llm.want.told_fraction <= fraction:
                continue
            said.append(
                f"models.{llm.want.role}.environment.NIM_PASSTHROUGH_ARGS: "
                f"--gpu-memory-utilization {fraction:.2f}"
            )
    return said


def cautions_of_sharing(wants: Wants, placement: Placement) -> Iterator[str]:
    """Yield what a reader must know before GPUs are shared."""
    if wants.sharing == "mig":
        yield "a MIG slice is memory of its own: a neighbour cannot take it, nor can it be lent"
        yield "changing the number of slices ends every pod on that GPU"
        return
    if wants.sharing == "none":
        return
    yield (
        "time slicing has no memory isolation: whoever allocates past the end gets CUDA out of "
        "memory, and it may be the one that kept to its part"
    )
    yield (
        "start the small models first and the language model last: vLLM counts what a neighbour "
        "allocates meanwhile as its own (vllm-project/vllm issue 55827)"
    )
    yield "a fatal GPU error of one program can end the others on that GPU"
    yield "they take turns: a long prompt delays embedding and ranking, and the other way round"
    total = sum(len(node.gpus) for node in placement.nodes)
    if total > 1:
        yield from _worst_group(wants, placement)


def cautions_of_scheduling(wants: Wants, placement: Placement) -> Iterator[str]:
    """Yield the models that another node of the supply would not carry: bytes are not scheduled."""
    for placed in placement.placed:
        need = placed.need
        # as the plan tells to set it: another profile may be smaller, but is not what was planned
        want = replace(placed.want, precision=need.precision, gpus=need.gpus, profile=need.profile)
        kinds = {
            node.kind.name: node.kind for node in placement.nodes if want.may_be_on(node.labels)
        }
        others = [
            name
            for name, kind in kinds.items()
            if name != placement.nodes[placed.node].kind.name and fit_of(want, kind, wants).why_not
        ]
        if others:
            yield (
                f"{want.role} does not fit on {', '.join(others)}: the scheduler counts GPUs, not "
                "bytes, and may give the larger GPU to another model first; "
                f"{_binding(wants)} of every role holds each to its nodes"
            )


def cautions_of_growth(wants: Wants) -> Iterator[str]:
    """Yield what brings the nodes of servers that are not there from the start."""
    growing = [want for want in wants.models if want.replicas > want.fewest]
    late = [pool for pool in wants.pools if pool.nodes > (pool.desired or pool.min or 1)]
    if growing and late:
        roles = ", ".join(f"{want.role} {want.fewest} to {want.replicas}" for want in growing)
        yield (
            f"servers: {roles}, all of them planned; the nodes of {late[0].name} beyond its "
            "desired number come by a cluster autoscaler of yours, without one those servers wait"
        )


def cautions_of_zones(wants: Wants) -> Iterator[str]:
    """Yield the pools whose nodes may come back where a model's volume is not."""
    for pool in wants.pools:
        zones = pool.zones or wants.zones
        roles = [
            want.role for want in wants.models if want.in_one_zone and want.may_be_on(pool.labels)
        ]
        if len(zones) > 1 and roles:
            yield (
                f"a lost node of pool {pool.name} comes back in any of {', '.join(zones)}, and a "
                f"volume ({', '.join(roles)}) stays in one: with one zone in its `zones` it finds "
                "it again"
            )


def _worst_group(wants: Wants, placement: Placement) -> Iterator[str]:
    """Warn of the largest models on one GPU: the scheduler counts slots, not bytes."""
    for node in sorted(placement.nodes, key=lambda each: room_of(each.kind.gpu).bytes):
        single = sorted(
            (
                each.need.bytes
                for each in placement.placed
                if each.need.gpus == 1 and each.want.may_be_on(node.labels)
            ),
            reverse=True,
        )
        worst, room = sum(single[: wants.slices]), room_of(node.kind.gpu).bytes
        if worst > room:
            yield (
                "the scheduler counts slots, not bytes: the "
                f"{min(wants.slices, len(single))} largest on one GPU would need {gib(worst)} of "
                f"{gib(room)}; {_binding(wants)} of every role keeps them apart"
            )
            return


def _binding(wants: Wants) -> str:
    """Return the setting that binds a role to some of the nodes."""
    return "models.<role>.pool" if wants.cluster == "eks" else "models.<role>.nodeSelector"
