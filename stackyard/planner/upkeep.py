"""What a drain, a driver upgrade and a model change cost: the outage, and the spare for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from stackyard.planner.deploying import (
    BOOT,
    CACHE_MIBS,
    DRIVER_BUILD,
    OPERATOR,
    Speeds,
    restart_seconds,
)
from stackyard.planner.facts import MIB
from stackyard.planner.placing import Node, Placed
from stackyard.planner.wants import Wants


@dataclass(frozen=True)
class Outage:
    """One event: how long nobody answers without a spare, with one, and what the spare is."""

    event: str
    seconds: float
    with_spare_seconds: float
    spare: str
    how: str


def outages(
    wants: Wants,
    nodes: Sequence[Node],
    placed: Sequence[Placed],
    speeds: Speeds,
    *,
    driver_shipped: bool,
) -> list[Outage]:
    """Return the three events for the node that carries the largest model.

    A model is one pod, replaced and not rolled, because its volume and its GPU are held by one:
    it is away for as long as it loads, even beside a spare.
    """
    if not placed:
        return []
    largest = max(placed, key=lambda each: each.need.model.weight_bytes(each.need.precision))
    node = nodes[largest.node]
    together = [each for each in placed if each.node == largest.node]
    roles = ", ".join(each.want.role for each in together)
    spare = f"1 more {node.kind.name} in the volume's zone"
    there = restart_seconds(largest, speeds, image_there=True)
    elsewhere = restart_seconds(largest, speeds, image_there=False)
    boot = BOOT + OPERATOR + (0 if driver_shipped else DRIVER_BUILD)
    boots = "the node comes back" if wants.cluster != "eks" else "a new node boots"
    weights = largest.need.model.weight_bytes(largest.need.precision)
    download = weights / min(speeds.network_mbps * 1e6 / 8, CACHE_MIBS * MIB)
    gpus = largest.need.gpus
    return [
        Outage(
            "drain", boot + elsewhere, elsewhere, spare, f"{roles} go; {boots}, pulls and loads"
        ),
        Outage(
            "driver upgrade",
            boot + (elsewhere if driver_shipped else there),
            elsewhere,
            spare,
            f"{roles} go; "
            + (
                "the node is replaced by one of a newer image"
                if driver_shipped
                else "the driver is unloaded and built, the images stay"
            ),
        ),
        Outage(
            "model change",
            download + there,
            0.0,
            f"{gpus} more GPU{'s' * (gpus > 1)} and a second volume, to load beside the old one",
            "the new weights are fetched, then loaded",
        ),
    ]
