"""Every third-party image, pinned, one line each; the only place that names one."""

from dataclasses import dataclass

from infra.machine import EDGE, Machine
from infra.registry import Registry, parse, rewrite

# by digest where it is known; the others are exact tags, because no registry could be asked
KIND_NODE = (
    "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"
)
PYTHON = "python:3.11-slim-bookworm"  # tag only: its digest was not seen yet
REGISTRY = "registry:3.0.0"  # tag only: its digest was not seen yet
QDRANT = "qdrant/qdrant:v1.19.0-unprivileged"  # tag only: its digest was not seen yet


@dataclass(frozen=True)
class Catalog:
    """The images of one stack, already rewritten to its registry."""

    kind_node: str
    python: str
    registry: str
    qdrant: str | None  # None: no registry has it, so local/qdrant is built

    @property
    def third_party(self) -> dict[str, str]:
        """Return name and reference of what the cluster itself pulls."""
        return {"qdrant": self.qdrant} if self.qdrant else {}


def build_catalog(machine: Machine, mirror: Registry | None) -> Catalog:
    """Return the pinned images, or what this machine has in their place."""
    qdrant = machine.qdrant_image or rewrite(QDRANT, mirror)
    return Catalog(
        kind_node=machine.node_image or KIND_NODE,
        python=machine.base_image or rewrite(PYTHON, mirror),
        registry=machine.registry_image or REGISTRY,
        qdrant=None if qdrant == EDGE else qdrant,
    )


def digest_of(reference: str) -> str | None:
    """Return the digest of a reference that is pinned by one."""
    return parse(reference).digest
