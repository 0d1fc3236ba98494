"""The plan of a stack: whether it fits, on what, for how long and how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stackyard.planner.deploying import Speeds, Stage, stages_of
from stackyard.planner.facts import NodeType, node_types
from stackyard.planner.fitting import Fit, fit_of, mig_of, profiles_of
from stackyard.planner.host import disk_gb
from stackyard.planner.memory import kv_tokens, room_of
from stackyard.planner.placing import (
    Host,
    Node,
    Placed,
    Placement,
    cache_gib,
    place,
    smallest_pool,
)
from stackyard.planner.prices import Prices
from stackyard.planner.sharing import (
    cautions_of_growth,
    cautions_of_scheduling,
    cautions_of_sharing,
    cautions_of_zones,
    memory_settings,
)
from stackyard.planner.upkeep import Outage, outages
from stackyard.planner.wants import DISK_MIBS, Wants, gib, profile_parts

Verdict = Literal["fits", "does not fit", "unknown", "nothing to place"]
NETWORK_MBPS = 1000.0


@dataclass(frozen=True)
class Supply:
    """Nodes that models can be put on: a kind, its disk, and how many."""

    kind: NodeType
    count: int
    disk_gb: float
    name: str = ""
    labels: Mapping[str, str] | None = None  # None: nobody knows them


@dataclass(frozen=True)
class Pool:
    """A pool that would do."""

    kind: NodeType
    count: int
    sharing: str
    slices: int


@dataclass(frozen=True)
class Plan:
    """Everything that `stackyard plan` says."""

    stack: str
    wants: Wants
    verdict: Verdict
    problems: tuple[str, ...]
    supply: tuple[Supply, ...]
    placement: Placement
    by_node_type: tuple[tuple[NodeType, tuple[Fit, ...]], ...]
    smallest: tuple[Pool, ...]
    cautions: tuple[str, ...]
    stages: tuple[Stage, ...]
    outages: tuple[Outage, ...]
    prices: Prices | None
    concurrency: int

    @property
    def used(self) -> list[Node]:
        """Return the nodes that carry a model."""
        carrying = sorted({each.node for each in self.placement.placed})
        return [self.placement.nodes[number] for number in carrying]

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    def cost_per_hour(self) -> tuple[float, list[str]] | None:
        """Return the GPU nodes' price an hour and which have none; None without a price file."""
        if self.prices is None:
            return None
        known = self.prices.per_hour
        names = [node.kind.name for node in self.used]
        missing = sorted({name for name in names if name not in known})
        return sum(known.get(name, 0.0) for name in names), missing

    def settings(self) -> list[str]:
        """Return the settings without which something else is deployed than was planned."""
        said = [
            f"models.{each.want.role}.profile: {each.need.profile}"
            for each in self.placement.placed
            if each.need.profile and each.want.profile is None and len(profiles_of(each.want)) > 1
        ]
        if self.wants.sharing == "timeSlicing":
            said += memory_settings(self.placement)
        return said

    def room_for(self, placed: Placed) -> int:
        """Return the bytes that a placed model may take: the room less what its neighbours need."""
        node = self.placement.nodes[placed.node]
        mig = mig_of(self.wants, node.kind)
        room = room_of(node.kind.gpu, mig).bytes
        if mig is not None:
            return room
        beside = sum(
            other.need.bytes
            for other in self.placement.placed
            if other is not placed and other.node == placed.node and other.gpus == placed.gpus
        )
        return room - beside

    def requests_at_once(self, placed: Placed) -> float:
        """Return how many requests of full length the KV cache holds."""
        tokens = kv_tokens(placed.need, self.room_for(placed))
        return tokens / placed.need.context if placed.need.context else 0.0


def make_plan(
    stack: str,
    wants: Wants,
    nodes: Sequence[Supply] | None = None,
    *,
    prices: Prices | None = None,
    network_mbps: float = NETWORK_MBPS,
    concurrency: int = 1,
    unknown: str = "",
) -> Plan:
    """Return the plan of what a stack wants on given nodes, or on its own pools.

    `unknown` says why the nodes are not known, where they are not.
    """
    supply, open_questions = _supply(wants, nodes)
    if unknown and not supply:
        open_questions.append(unknown)
    hosts = [
        Host(each.kind, each.disk_gb, each.labels) for each in supply for _ in range(each.count)
    ]
    placement = place(wants, hosts, concurrency=concurrency)
    open_questions += [
        f"nothing is known of {want.asked}: its fit is not checked"
        for want in wants.models
        if want.model is None
    ]
    wrong = [*_profile_problems(wants), *_cache_problems(placement)]
    if nodes is None:
        wrong += _fallback_problems(wants, concurrency)
    disk_mibs = min((pool.disk_throughput for pool in wants.pools), default=DISK_MIBS)
    speeds = Speeds(network_mbps, disk_mibs)
    shipped = wants.driver_there
    carrying = sorted({each.node for each in placement.placed})
    used = [placement.nodes[number] for number in carrying]
    verdict = _verdict(wants, supply, placement, wrong, open_questions)
    told = placement.placed if verdict == "fits" else ()
    stages = stages_of(wants, used, told, speeds, driver_shipped=shipped) if told else []
    known = replace(wants, models=tuple(want for want in wants.models if want.model is not None))
    return Plan(
        stack=stack,
        wants=wants,
        verdict=verdict,
        problems=(*open_questions, *wrong),
        supply=tuple(supply),
        placement=placement,
        by_node_type=_by_node_type(known, supply, concurrency),
        smallest=_smallest(known, concurrency),
        cautions=(
            *cautions_of_sharing(wants, placement),
            *cautions_of_scheduling(wants, placement),
            *cautions_of_growth(wants),
            *cautions_of_zones(wants),
        ),
        stages=tuple(stages),
        outages=tuple(outages(wants, placement.nodes, told, speeds, driver_shipped=shipped)),
        prices=prices,
        concurrency=concurrency,
    )


def _verdict(
    wants: Wants,
    supply: Sequence[Supply],
    placement: Placement,
    wrong: Sequence[str],
    open_questions: Sequence[str],
) -> Verdict:
    if not wants.models:
        return "nothing to place"
    refused = any(fit.want.model is not None for fit in placement.unplaced)
    if wrong or (refused and (supply or not open_questions)):
        return "does not fit"
    return "unknown" if open_questions else "fits"


def _supply(wants: Wants, nodes: Sequence[Supply] | None) -> tuple[list[Supply], list[str]]:
    if nodes is not None or wants.cluster != "eks":
        return list(nodes or []), []
    known = node_types()
    supply, problems = [], []
    if not wants.pools:
        problems.append("cluster.gpuPools is not set: the program's own pool is not planned")
    for pool in wants.pools:
        strangers = [name for name in pool.instance_types if name not in known]
        problems += [f"nothing is known of {name} (pool {pool.name})" for name in strangers]
        first = next((name for name in pool.instance_types if name in known), None)
        if first is not None:
            supply.append(Supply(known[first], pool.nodes, pool.disk_gb, pool.name, pool.labels))
    return supply, problems


def _fallback_problems(wants: Wants, concurrency: int) -> list[str]:
    """Return what does not fit when a pool gets an instance type other than its first."""
    known = node_types()
    problems = []
    for pool in wants.pools:
        for name in pool.instance_types[1:]:
            if name not in known:
                continue
            nodes = [
                Host(
                    known[name if each is pool else each.instance_types[0]],
                    float(each.disk_gb),
                    each.labels,
                )
                for each in wants.pools
                if each.instance_types and each.instance_types[0] in known
                for _ in range(each.nodes)
            ]
            for fit in place(wants, nodes, concurrency=concurrency).unplaced:
                if fit.want.model is not None:
                    problems.append(
                        f"pool {pool.name} may get {name}, where {fit.want.role} does not fit: "
                        f"{fit.why_not}"
                    )
    return problems


def _profile_problems(wants: Wants) -> list[str]:
    return [
        f"models.{want.role}.profile is {want.profile}, models.{want.role}.gpus is {want.gpus or 1}"
        for want in wants.models
        if (profile_parts(want.profile)[1] or want.gpus or 1) != (want.gpus or 1)
    ]


def _cache_problems(placement: Placement) -> list[str]:
    return [
        f"models.{each.want.role}.cacheStorage is {gib(each.want.cache_bytes)}, the weights of "
        f"{each.need.model.name} need {cache_gib(each.need)} GiB"
        for each in placement.placed
        if each.want.cache_bytes is not None
        and each.want.cache_bytes < cache_gib(each.need) * 2**30
    ]


def _by_node_type(
    wants: Wants, supply: Sequence[Supply], concurrency: int
) -> tuple[tuple[NodeType, tuple[Fit, ...]], ...]:
    """Return each model alone on each kind of node: those of the supply, then one of each GPU."""
    kinds = {each.kind.name: each.kind for each in supply}
    for kind in node_types().values():
        if kind.gpu.name not in {each.gpu.name for each in kinds.values()}:
            kinds[kind.name] = kind
    return tuple(
        (kind, tuple(fit_of(want, kind, wants, concurrency=concurrency) for want in wants.models))
        for kind in kinds.values()
    )


def _smallest(wants: Wants, concurrency: int) -> tuple[Pool, ...]:
    """Return the smallest pool with the stack's sharing, and the one with whole GPUs."""
    if not wants.models:
        return ()
    ways = {(wants.sharing, wants.slices), ("none", 1), ("timeSlicing", max(2, len(wants.models)))}
    found = []
    for sharing, slices in sorted(ways, key=lambda way: way[0] != wants.sharing):
        one = replace(wants, sharing=sharing, slices=slices)
        best = smallest_pool(one, concurrency=concurrency)
        if best is not None:
            found.append(Pool(best[0], best[1], sharing, slices))
    return tuple(found)


def node_disk_gb(plan: Plan) -> float:
    """Return the disk that the fullest node needs, in GB."""
    return max((disk_gb(node.image_gb) for node in plan.placement.nodes), default=0.0)
