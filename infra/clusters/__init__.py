"""Which Kubernetes a stack runs on: each kind returns the same Cluster."""

from collections.abc import Callable

import pulumi

from infra.catalog import Catalog
from infra.clusters.cluster import Cluster
from infra.clusters.eks_packages import narrow
from infra.clusters.existing import build_existing_cluster
from infra.clusters.local import build_local_cluster
from infra.machine import Machine
from infra.schema import Settings


def build_eks(settings: Settings, catalog: Catalog, machine: Machine) -> Cluster:
    """Make a cluster at AWS; its 121 MB of packages are imported here and nowhere else."""
    narrow()
    try:
        from infra.clusters.eks import build_eks_cluster
    except ModuleNotFoundError as error:
        if error.name != "pulumi_aws":
            raise
        message = (
            "cluster.kind is 'eks', and the packages for AWS are not installed\n"
            "hint: make eks-packages"
        )
        raise pulumi.RunError(message) from None
    return build_eks_cluster(settings, catalog, machine)


BUILDERS: dict[str, Callable[[Settings, Catalog, Machine], Cluster]] = {
    "local": build_local_cluster,
    "existing": build_existing_cluster,
    "eks": build_eks,
}


def build_cluster(settings: Settings, catalog: Catalog, machine: Machine) -> Cluster:
    """Return the cluster of the stack's kind."""
    return BUILDERS[settings.cluster.kind](settings, catalog, machine)
