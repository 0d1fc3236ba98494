"""What the rest of the program needs to know about a cluster, whoever made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pulumi
import pulumi_kubernetes as k8s

from infra.labels import POOL
from infra.registry import Registry
from infra.schema import ModelSettings, ServiceType
from infra.schema.cluster import Toleration


@dataclass(frozen=True, kw_only=True)
class GpuPlace:
    """Which nodes run models, and what keeps others away from them."""

    node_selector: Mapping[str, str]
    tolerations: Sequence[Toleration]

    def of(self, role: ModelSettings) -> "GpuPlace":
        """Return the nodes of one role: of its pool, or with its labels."""
        pool = {POOL: role.pool} if role.pool is not None else {}
        return replace(self, node_selector={**self.node_selector, **pool, **role.node_selector})


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Kubernetes, a registry that it pulls from, and how its Services are reached."""

    provider: k8s.Provider
    storage_class: pulumi.Input[str] | None  # None: the cluster's default
    registry: Registry
    expose: ServiceType
    node_port: int | None
    url: str | None  # None: read from the app's Service
    kubeconfig: pulumi.Output[str] | None  # only where we made the cluster
    pushable: Sequence[pulumi.Resource] = ()  # what must exist before an image can be pushed
    gpu: GpuPlace | None = None
    load_balancer: Mapping[str, str] = field(default_factory=dict)  # annotations of such a Service
    copies_images: bool = False  # its registry is ours, so third-party images are copied there
    make_namespaces: bool = True  # False: they are there, and we may not make any
