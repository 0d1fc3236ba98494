"""Pure: the values of the GPU operator's chart, by what the nodes have already.

Only what differs from the defaults of chart v26.7.0.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.registry import parse
from infra.schema import Settings
from infra.schema.cluster import Toleration
from infra.schema.gpu_choices import operator_mode

Values = dict[str, Any]  # a chart's values are what its author made of them
NFD = "node-feature-discovery"
CONTAINERD_OF_K3S = "/run/k3s/containerd/containerd.sock"
GPU_TAINT = "nvidia.com/gpu"
SLICING = "sharing"  # name of the ConfigMap and of its only configuration
# the NFD worker's own, which a list of ours replaces
NFD_WORKER = (
    {
        "key": "node-role.kubernetes.io/control-plane",
        "operator": "Equal",
        "value": "",
        "effect": "NoSchedule",
    },
    {"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"},
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the operator has to bring to a cluster's GPU nodes."""

    driver: bool
    toolkit: bool
    device_plugin: bool
    k3s: bool  # containerd of k3s or RKE2
    mig_profile: str | None
    slices: int | None
    taints: Sequence[Toleration]
    packages: str | None = None  # ConfigMap of the driver's package sources

    @property
    def images(self) -> list[str]:
        """Return the keys of the images that will be pulled."""
        return [
            *("operator", "validator", "gfd", "dcgmExporter", NFD),
            *(("driver", "driver.manager") if self.driver else ()),
            *(("toolkit",) if self.toolkit else ()),
            *(("devicePlugin",) if self.device_plugin else ()),
            *(("migManager",) if self.mig_profile else ()),
        ]


def target_of(settings: Settings) -> Target | None:
    """Return what the operator brings; None where it is not installed by us."""
    if operator_mode(settings) != "install":
        return None
    cluster, operator = settings.cluster, settings.gpu_operator
    aws = cluster.kind == "eks"  # its images bring driver and toolkit
    there = cluster.gpu.preinstalled
    # Bottlerocket runs a device plugin and a MIG manager of its own: clusters/eks/bottlerocket.py
    own = any(pool.ami == "bottlerocket" for pool in cluster.gpu_pools)
    driver = not aws and there == "nothing"
    toolkit = not aws and there != "driver-and-toolkit"
    return Target(
        driver=driver if operator.driver is None else operator.driver,
        toolkit=toolkit if operator.toolkit is None else operator.toolkit,
        device_plugin=not own,
        k3s=cluster.gpu.runtime in ("k3s", "rke2"),
        mig_profile=None if own else operator.mig_profile,
        slices=None if own else operator.slices,
        packages=operator.driver_packages,
        taints=[] if aws else [each for each in cluster.gpu.tolerations if each.key != GPU_TAINT],
    )


def values(
    target: Target,
    images: Mapping[str, str],
    pull_secret: object | None,
    ca: object | None = None,
) -> Values:
    """Return the chart's values; `images` are those moved to a private registry, by key.

    `ca` is the ConfigMap of private authorities, for the driver's package sources.
    """
    result: Values = {}
    for part, wanted in (
        ("driver", target.driver),
        ("toolkit", target.toolkit),
        ("devicePlugin", target.device_plugin),
        ("migManager", target.mig_profile is not None),
    ):
        if not wanted:
            result[part] = {"enabled": False}
    if target.k3s and target.toolkit:
        socket = {"name": "CONTAINERD_SOCKET", "value": CONTAINERD_OF_K3S}
        result["toolkit"] = {"env": [socket]}
    if target.mig_profile is not None:
        # which profile is a label of the node: the operator takes none but all-disabled for all
        result["mig"] = {"strategy": "single"}
    if target.slices is not None:
        result.setdefault("devicePlugin", {})["config"] = _slicing(target.slices)
    if target.taints:
        ours = [each.named() for each in target.taints]
        result["daemonsets"] = {"tolerations": [NFD_WORKER[1], *ours]}
        worker = [*NFD_WORKER, *ours]
        result.setdefault(NFD, {})["worker"] = {"tolerations": worker}
    if target.driver and target.packages is not None:
        result.setdefault("driver", {})["repoConfig"] = {"configMapName": target.packages}
    if target.driver and ca is not None:
        result.setdefault("driver", {})["certConfig"] = {"name": ca}
    for key in target.images:
        if key in images:
            _move(result, key, images[key], pull_secret)
    return result


def _slicing(slices: int) -> Values:
    plugin = {
        "version": "v1",
        "flags": {"migStrategy": "none"},
        "sharing": {"timeSlicing": {"resources": [{"name": GPU_TAINT, "replicas": slices}]}},
    }
    return {"create": True, "name": SLICING, "default": SLICING, "data": {SLICING: _yaml(plugin)}}


def _move(result: Values, key: str, image: str, pull_secret: object | None) -> None:
    """Take one image from the private registry; its name stays the chart's.

    So does its version, but for the digest: the operator's pods and the operator itself put a
    version behind a colon, and TAG@DIGEST is valid there. Of the driver the digest stands alone,
    because the operator would append the node's system to a tag.
    """
    reference = parse(image)
    place = f"{reference.host}/{reference.path}"
    version = f"{reference.tag}@{reference.digest}" if reference.digest else None
    if key == NFD:  # the subchart has another form for both
        part = result.setdefault(NFD, {})
        part["image"] = {"repository": place, **({"tag": version} if version else {})}
        if pull_secret is not None:
            part["imagePullSecrets"] = [{"name": pull_secret}]
        return
    part = result
    for name in key.split("."):
        part = part.setdefault(name, {})
    part["repository"] = place.rpartition("/")[0]
    if version is not None:
        part["version"] = reference.digest if key == "driver" else version
    if pull_secret is not None and key != "driver.manager":  # it takes the driver's
        part["imagePullSecrets"] = [pull_secret]


def _yaml(value: object) -> str:
    return json.dumps(value, indent=1)  # JSON, which YAML contains
