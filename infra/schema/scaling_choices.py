"""Pure: what a stack's settings mean for how models are scaled, where they leave it to us."""

import re
from typing import Literal

from infra.registry import parse
from infra.schema import Settings
from infra.schema.models import ROLES
from infra.schema.scaling import Metrics


def scaled_roles(settings: Settings) -> list[str]:
    """Return the roles whose number of servers is not fixed, in the order of the roles."""
    models = settings.models
    kinds = {role: models.kind_of(models.role(role)) for role in ROLES}
    return [
        role
        for role, kind in kinds.items()
        if (kind != "hosted" and models.role(role).scaling is not None)
        or (kind == "nim" and models.hours is not None)
    ]


def keda_mode(settings: Settings) -> Literal["install", "adopt", "none"]:
    """Return what becomes of KEDA; a local cluster has a stand-in for it."""
    if settings.cluster.kind == "local" or not scaled_roles(settings):
        return "none"
    if settings.keda.mode is not None:
        return settings.keda.mode
    return "adopt" if settings.cluster.scope == "namespace" else "install"


def metrics_of(role: str, image: str) -> Metrics | None:
    """Return whose metric names an image of a NIM has, by its tag; None where nobody knows."""
    match = re.match(r"v?([0-9]+)\.", parse(image).tag or "")
    if match is None:
        return None
    if role == "llm":
        return "nim1" if int(match[1]) < 2 else "vllm"
    return "triton" if int(match[1]) < 2 else None


def store_copies(settings: Settings) -> int:
    """Return on how many nodes of Qdrant each shard is."""
    return settings.qdrant.copies or (1 if settings.qdrant.nodes == 1 else 2)


def store_shards(settings: Settings) -> int:
    """Return the number of shards of a new collection."""
    return settings.qdrant.shards or settings.qdrant.nodes
