"""Which Kubernetes a stack runs on: each kind returns the same Cluster."""

from collections.abc import Callable

from infra.catalog import Catalog
from infra.clusters.cluster import Cluster
from infra.clusters.existing import build_existing_cluster
from infra.clusters.local import build_local_cluster
from infra.machine import Machine
from infra.schema import Settings

BUILDERS: dict[str, Callable[[Settings, Catalog, Machine], Cluster]] = {
    "local": build_local_cluster,
    "existing": build_existing_cluster,
}


def build_cluster(settings: Settings, catalog: Catalog, machine: Machine) -> Cluster:
    """Return the cluster of the stack's kind."""
    return BUILDERS[settings.cluster.kind](settings, catalog, machine)
