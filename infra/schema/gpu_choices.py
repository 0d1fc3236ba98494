"""Pure: what a stack's settings mean where they leave the choice to us."""

from collections.abc import Iterable
from typing import Literal

from infra.schema import Settings
from infra.schema.models import ROLES

# family of EC2 -> the model by which Bottlerocket's MIG manager knows its GPUs
MIG_FAMILIES = {
    "p4d": "a100.40gb",
    "p4de": "a100.80gb",
    "p5": "h100.80gb",
    "p5e": "h200.141gb",
    "p5en": "h200.141gb",
}


def mig_models(instance_types: Iterable[str]) -> dict[str, str]:
    """Return the GPU model of each instance type whose GPUs can be cut into parts."""
    families = {each: each.partition(".")[0] for each in instance_types}
    return {
        each: MIG_FAMILIES[family] for each, family in families.items() if family in MIG_FAMILIES
    }


def has_nim(settings: Settings) -> bool:
    """Tell whether any role runs on GPUs in the cluster."""
    models = settings.models
    return any(models.kind_of(models.role(role)) == "nim" for role in ROLES)


def operator_mode(settings: Settings) -> Literal["install", "adopt", "none"]:
    """Return what becomes of the GPU operator."""
    cluster = settings.cluster
    if settings.gpu_operator.mode is not None:
        return settings.gpu_operator.mode
    if not has_nim(settings) or cluster.kind == "local":
        return "none"
    there = cluster.gpu.preinstalled == "operator" or cluster.scope == "namespace"
    return "adopt" if cluster.kind == "existing" and there else "install"


def nim_operator_mode(settings: Settings) -> Literal["install", "adopt", "none"]:
    """Return what becomes of the NIM operator, which only roles of kind `nim` need."""
    return settings.nim_operator.mode if has_nim(settings) else "none"
