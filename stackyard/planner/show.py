"""A plan as text for a person, and as JSON for a program."""

from collections.abc import Iterator
from typing import Any

from stackyard.planner.facts import GB, MIB
from stackyard.planner.fitting import Fit, mig_of
from stackyard.planner.host import usable_cpus, usable_memory_gib
from stackyard.planner.memory import Need, kv_tokens, room_of
from stackyard.planner.placing import Placed, cache_gib
from stackyard.planner.plan import Plan, node_disk_gb
from stackyard.planner.wants import gib


def first_lines(plan: Plan) -> Iterator[str]:
    """Yield what is said before anything is made: verdict, places, reasons, what can go wrong."""
    yield from _head(plan)
    for caution in plan.cautions:
        yield f"  caution: {caution}"


def _head(plan: Plan) -> Iterator[str]:
    yield f"plan of stack {plan.stack}: {plan.verdict}"
    for role, kind in plan.wants.elsewhere.items():
        yield f"  {role}: {kind}, no GPU of the cluster"
    for placed in plan.placement.placed:
        node = plan.placement.nodes[placed.node]
        where = ", ".join(map(str, placed.gpus))
        yield (
            f"  {placed.want.role}: {placed.need.model.name}, {label(placed.need)}, "
            f"{gib(placed.need.bytes)} on GPU {where} of node {placed.node + 1} ({node.kind.name})"
        )
    for setting in plan.settings():
        yield f"    set {setting}"
    for fit in plan.placement.unplaced if plan.supply or plan.verdict != "unknown" else ():
        yield f"  {fit.want.role}: {fit.want.asked} has no place: {fit.why_not}"
        if fit.hint:
            yield f"    {fit.hint}"
    for problem in plan.problems:
        yield f"  {problem}"
    if plan.verdict in ("does not fit", "unknown"):
        for pool in plan.smallest:
            shared = "" if pool.sharing == "none" else f", {pool.sharing} in {pool.slices}"
            yield f"  would fit: {pool.count} x {pool.kind.name}{shared}"
    if plan.stages:
        yield (
            f"  first deploy: about {minutes(plan.seconds)}, "
            f"{sum(stage.bytes for stage in plan.stages if stage.name != 'load') / GB:.1f} GB "
            "on its critical path"
        )
    if cost := cost_line(plan):
        yield f"  {cost}"


def lines(plan: Plan) -> Iterator[str]:
    """Yield the whole plan."""
    yield from _head(plan)
    for placed in plan.placement.placed:
        yield ""
        yield from _arithmetic(plan, placed)
    if plan.placement.placed:
        yield ""
        yield from _hosts(plan)
    yield ""
    yield from _node_types(plan)
    if plan.smallest:
        yield ""
        yield "smallest pool that fits"
        for pool in plan.smallest:
            shared = "whole GPUs" if pool.sharing == "none" else f"{pool.sharing} in {pool.slices}"
            each = f"{pool.kind.gpus} x {pool.kind.gpu.name}"
            yield f"  {shared}: {pool.count} x {pool.kind.name} ({each})"
    if plan.stages:
        yield ""
        yield "first deploy, its critical path"
        for stage in plan.stages:
            yield (
                f"  {stage.name:<11}{minutes(stage.seconds):>9}{stage.bytes / GB:>8.1f} GB  "
                f"{stage.how}"
            )
        yield f"  {'sum':<11}{minutes(plan.seconds):>9}"
    if plan.outages:
        yield ""
        yield "outages"
        for outage in plan.outages:
            yield (
                f"  {outage.event:<15}{minutes(outage.seconds):>9}  {outage.how}; "
                f"{minutes(outage.with_spare_seconds)} with {outage.spare}"
            )
    if plan.cautions:
        yield ""
        yield "what can go wrong"
        yield from (f"  {caution}" for caution in plan.cautions)


def _arithmetic(plan: Plan, placed: Placed) -> Iterator[str]:
    node = plan.placement.nodes[placed.node]
    yield f"{placed.want.role}: {placed.need.model.name}, {label(placed.need)}"
    for term in placed.need.terms:
        yield f"  {term.name:<13}{gib(term.bytes):>10}  {term.how}"
    yield f"  {'sum':<13}{gib(placed.need.bytes):>10}"
    whole = room_of(node.kind.gpu, mig_of(plan.wants, node.kind))
    for term in whole.terms:
        yield f"  {term.name:<13}{gib(term.bytes):>10}  {term.how}"
    left = plan.room_for(placed)
    beside = whole.bytes - left
    if beside:
        yield f"  {'neighbours':<13}{gib(-beside):>10}  on the same GPU"
    yield f"  {'room':<13}{gib(left):>10}"
    if placed.need.kv_token_bytes:
        yield (
            f"  the KV cache then holds {kv_tokens(placed.need, left)} tokens: "
            f"{plan.requests_at_once(placed):.1f} requests of {placed.need.context} at once"
        )
    weights = placed.need.model.weight_bytes(placed.need.precision)
    yield (
        f"  weights {weights / GB:.1f} GB, volume {cache_gib(placed.need)} GiB or more, "
        f"image {placed.need.model.image_gb:g} GB"
    )


def _hosts(plan: Plan) -> Iterator[str]:
    yield "nodes"
    for number, node in enumerate(plan.placement.nodes, start=1):
        yield (
            f"  {number}  {node.kind.name}: {node.cpus:g} of {usable_cpus(node.kind):.1f} cores, "
            f"{node.memory_gib:g} of {usable_memory_gib(node.kind):.1f} GiB, images "
            f"{node.image_gb:g} GB"
        )
    yield f"  disk of a node: {node_disk_gb(plan):.0f} GB or more (system, images, unpacked images)"


def _node_types(plan: Plan) -> Iterator[str]:
    yield "each model alone on one node"
    for kind, fits in plan.by_node_type:
        yield f"  {kind.name} ({kind.gpus} x {kind.gpu.name})"
        for fit in fits:
            yield f"    {fit.want.role:<10}{_fit_words(fit)}"


def _fit_words(fit: Fit) -> str:
    if fit.why_not or fit.need is None:
        return f"no: {fit.why_not}" + (f"; {fit.hint}" if fit.hint else "")
    return f"yes: {label(fit.need)}, {gib(fit.need.bytes)} of {gib(fit.room)}"


def label(need: Need) -> str:
    """Return how the model is run: its profile, or its precision and GPUs."""
    if need.profile:
        return need.profile
    return need.precision if need.gpus == 1 else f"{need.precision} on {need.gpus} GPUs"


def minutes(seconds: float) -> str:
    """Return seconds as a short text."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def cost_line(plan: Plan) -> str:
    """Return the price of the GPU nodes, and of what it is the price; empty without a file."""
    cost, prices = plan.cost_per_hour(), plan.prices
    if cost is None or prices is None:
        return ""
    total, missing = cost
    without = f"; no price for {', '.join(missing)}" if missing else ""
    return (
        f"GPU nodes: {total:.2f} {prices.currency} an hour ({prices.region}, {prices.date}, "
        f"{prices.source}{without})"
    )


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON; bytes are bytes, seconds are seconds."""
    cost = plan.cost_per_hour()
    return {
        "stack": plan.stack,
        "verdict": plan.verdict,
        "problems": list(plan.problems),
        "sharing": {"kind": plan.wants.sharing, "slices": plan.wants.slices},
        "elsewhere": dict(plan.wants.elsewhere),
        "models": [_placed_json(plan, placed) for placed in plan.placement.placed],
        "unplaced": [
            {"role": fit.want.role, "model": fit.want.asked, "why": fit.why_not, "hint": fit.hint}
            for fit in plan.placement.unplaced
        ],
        "nodes": [
            {
                "type": node.kind.name,
                "gpu": node.kind.gpu.name,
                "gpus": node.kind.gpus,
                "cpus": {"asked": node.cpus, "usable": round(usable_cpus(node.kind), 2)},
                "memoryGib": {
                    "asked": node.memory_gib,
                    "usable": round(usable_memory_gib(node.kind), 2),
                },
                "imageGb": node.image_gb,
            }
            for node in plan.placement.nodes
        ],
        "nodeDiskGb": node_disk_gb(plan),
        "byNodeType": {
            kind.name: {
                fit.want.role: {
                    "fits": not fit.why_not,
                    "why": fit.why_not,
                    "hint": fit.hint,
                    "bytes": fit.need.bytes if fit.need else None,
                    "room": fit.room,
                }
                for fit in fits
            }
            for kind, fits in plan.by_node_type
        },
        "smallestPools": [
            {
                "type": pool.kind.name,
                "count": pool.count,
                "sharing": pool.sharing,
                "slices": pool.slices,
            }
            for pool in plan.smallest
        ],
        "stages": [
            {"name": each.name, "seconds": round(each.seconds, 1), "bytes": each.bytes}
            for each in plan.stages
        ],
        "outages": [
            {
                "event": each.event,
                "seconds": round(each.seconds, 1),
                "withSpareSeconds": round(each.with_spare_seconds, 1),
                "spare": each.spare,
            }
            for each in plan.outages
        ],
        "settings": plan.settings(),
        "cautions": list(plan.cautions),
        "costPerHour": None
        if cost is None or plan.prices is None
        else {
            "amount": round(cost[0], 4),
            "currency": plan.prices.currency,
            "date": plan.prices.date.isoformat(),
            "without": cost[1],
        },
    }


def _placed_json(plan: Plan, placed: Placed) -> dict[str, Any]:
    need, room = placed.need, plan.room_for(placed)
    return {
        "role": placed.want.role,
        "model": need.model.name,
        "precision": need.precision,
        "profile": need.profile,
        "gpus": need.gpus,
        "node": placed.node,
        "onGpus": list(placed.gpus),
        "terms": {term.name: term.bytes for term in need.terms},
        "bytes": need.bytes,
        "room": room,
        "context": need.context,
        "kvTokens": kv_tokens(need, room),
        "weightBytes": need.model.weight_bytes(need.precision),
        "cacheMib": cache_gib(need) * 2**30 // MIB,
        "imageGb": need.model.image_gb,
    }
