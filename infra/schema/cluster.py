"""What a stack may say about its cluster: a local one, one that exists, or EKS made by us."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from infra.schema.fields import (
    Account,
    Cidr,
    ClassName,
    Frozen,
    InstanceType,
    KubernetesVersion,
    ObjectName,
    Principal,
    Region,
    Zone,
)

ClusterKind = Literal["local", "existing", "eks"]
EKS_CLASS = "stackyard-gp3"  # the one storage class of a cluster that we made: EBS


class Toleration(Frozen):
    """A taint that model pods tolerate."""

    key: str = Field(min_length=1, description="the taint's key")
    operator: Literal["Exists", "Equal"] = Field(
        default="Exists", description="`Exists`: any value; `Equal`: the value below"
    )
    value: str | None = Field(default=None, description="Equal: the taint's value")
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = Field(
        default="NoSchedule", description="the taint's effect"
    )

    def named(self) -> dict[str, str]:
        """Return it as Kubernetes spells it, for where no typed argument takes it."""
        spelled = {"key": self.key, "operator": self.operator, "effect": self.effect}
        return spelled if self.value is None else {**spelled, "value": self.value}


class GpuNodes(Frozen):
    """The GPU nodes of a cluster that is there already."""

    node_selector: dict[str, str] = Field(
        default={"nvidia.com/gpu.present": "true"},
        description="existing: labels of the nodes that run models",
    )
    tolerations: list[Toleration] = Field(
        default=[Toleration.model_validate({"key": "nvidia.com/gpu"})],
        description="existing: taints of those nodes",
    )
    preinstalled: Literal["nothing", "driver", "driver-and-toolkit", "operator"] = Field(
        default="nothing",
        description="existing: what those nodes have already; decides what the operator brings",
    )
    runtime: Literal["containerd", "rke2", "k3s", "openshift"] = Field(
        default="containerd",
        description="existing: whose containerd it is; `openshift` is refused so far",
    )


class SystemPool(Frozen):
    """The CPU nodes that run everything but the models."""

    instance_types: list[InstanceType] = Field(
        default=["m7i.xlarge", "m6i.xlarge", "m5.xlarge"],
        min_length=1,
        description="eks: in the order of preference, for capacity that is short",
    )
    zones: list[Zone] = Field(default=[], description="eks: a part of cluster.zones. Unset: all")
    min: int = Field(
        default=2, ge=1, le=50, description="eks: fewest nodes; at least one for each of its zones"
    )
    desired: int = Field(default=2, ge=1, le=50, description="eks: nodes at first")
    max: int = Field(default=4, ge=1, le=50, description="eks: most nodes")
    disk_gb: int = Field(default=100, ge=30, le=16384, description="eks: root disk in GiB")


class GpuPool(Frozen):
    """One group of GPU nodes."""

    name: ObjectName = Field(description="eks: name of the group, also the label `stackyard/pool`")
    instance_types: list[InstanceType] = Field(
        min_length=1,
        max_length=20,
        description="eks: in the order of preference, for capacity that is short",
    )
    zones: list[Zone] = Field(default=[], description="eks: a part of cluster.zones. Unset: all")
    min: int = Field(default=0, ge=0, le=100, description="eks: fewest nodes")
    desired: int = Field(default=1, ge=0, le=100, description="eks: nodes at first")
    max: int = Field(default=1, ge=1, le=100, description="eks: most nodes")
    capacity: Literal["on-demand", "spot"] = Field(
        default="on-demand", description="eks: `spot` is cheaper and may be taken back"
    )
    disk_gb: int = Field(
        default=200, ge=50, le=16384, description="eks: disk in GiB; NIM images take 10 to 20 each"
    )
    disk_throughput: int = Field(
        default=600, ge=125, le=1000, description="eks: MiB/s of the disk; pulls are bound by it"
    )
    ami: Literal["al2023", "bottlerocket"] = Field(
        default="al2023", description="eks: the NVIDIA variant of this image; both bring the driver"
    )


class ClusterSettings(Frozen):
    """Which Kubernetes the stack runs on."""

    kind: ClusterKind = Field(
        default="local",
        description="`local`: made by kind; `existing`: any kubeconfig; `eks`: made at AWS",
    )
    port: int | None = Field(
        default=None,
        ge=1024,
        le=65533,
        description="local: the URL's port; the next two are the API server's and the registry's. "
        "Unset: derived from the stack's name",
    )
    kubeconfig: str = Field(default="~/.kube/config", description="existing: the kubeconfig's path")
    context: str | None = Field(default=None, description="existing: the kubeconfig's context")
    storage_class: str | None = Field(
        default=None, description="existing: for the volumes. Unset: the cluster's default"
    )
    scope: Literal["cluster", "namespace"] = Field(
        default="cluster",
        description="existing: `namespace` makes nothing outside of the namespaces rag-<stack> "
        "and models-<stack>, which must be there",
    )
    gpu: GpuNodes = Field(default=GpuNodes(), description="existing: the GPU nodes")
    account: Account | None = Field(
        default=None, description="eks: the AWS account; nothing is made in another"
    )
    region: Region | None = Field(default=None, description="eks: the AWS region")
    zones: list[Zone] = Field(
        default=[], max_length=3, description="eks: two or three availability zones of the region"
    )
    vpc_cidr: Cidr = Field(default="10.0.0.0/16", description="eks: addresses of the network")
    nat: Literal["one", "perZone"] = Field(
        default="one", description="eks: NAT gateways; one a zone outlives the loss of a zone"
    )
    endpoint: Literal["public", "private"] = Field(
        default="public",
        description="eks: the API server's; `private` also leaves out the internet gateway, and "
        "comes up in two steps (docs/guides/eks.md)",
    )
    endpoint_cidrs: list[Cidr] = Field(
        default=[],
        max_length=40,
        description="eks: who may reach the API server; with `private` machines in the network "
        "or in one that you connect to it",
    )
    bare: bool = Field(
        default=False,
        description="eks: the cluster and its nodes only, nothing in it: the first step of a "
        "`private` one; taken back, what was in it would go",
    )
    version: KubernetesVersion = Field(default="1.35", description="eks: of Kubernetes")
    admins: list[Principal] = Field(
        default=[], description="eks: roles or users that administer it beside who runs `up`"
    )
    system_pool: SystemPool = Field(default=SystemPool(), description="eks: the CPU nodes")
    gpu_pools: list[GpuPool] = Field(default=[], description="eks: the groups of GPU nodes")
    added_storage_classes: list[ClassName] = Field(
        default=[],
        description=f"eks: classes that you made in the cluster, beside `{EKS_CLASS}`, for "
        "`models.<role>.cacheStorageClass` and `backup.storageClass`",
    )

    @property
    def kubeconfig_path(self) -> Path:
        return Path(self.kubeconfig).expanduser()
