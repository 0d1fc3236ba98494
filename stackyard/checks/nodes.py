"""The GPU nodes of a cluster: driver, toolkit, kernel, GPUs, taints and disk, by their labels."""

from collections.abc import Collection, Iterator, Mapping

from stackyard.checks.cluster import is_ready
from stackyard.checks.finding import Finding, ok, problem, unknown
from stackyard.kubernetes import Json, Kubernetes
from stackyard.planning import quantity

GPU = "nvidia.com/gpu"
PRESENT = "nvidia.com/gpu.present"
PCI = (
    "feature.node.kubernetes.io/pci-10de.present",
    "feature.node.kubernetes.io/pci-0302_10de.present",
    "feature.node.kubernetes.io/pci-0300_10de.present",
)
DRIVER = 580  # what NIM 2.x needs
CONTAINERD = (1, 7)
DISK_GB = 95  # system, three NIM images and what they unpack to


def gpu_nodes(cluster: Kubernetes, selector: Mapping[str, str]) -> list[Json]:
    """Return the nodes that the selector chooses, or those that discovery calls GPU nodes."""
    nodes = cluster.items("/api/v1/nodes")
    chosen = [node for node in nodes if selector.items() <= _labels(node).items()]
    return chosen or [node for node in nodes if _has_card(node)]


def nodes(
    cluster: Kubernetes, selector: Mapping[str, str], tolerated: Collection[str], *, made: bool
) -> Iterator[Finding]:
    """Check every GPU node; `made`: the program makes them, so there may be none yet."""
    found = gpu_nodes(cluster, selector)
    if not found:
        wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
        if made:
            yield unknown("GPU nodes", f"none yet with {wanted}")
            return
        why = "no model would find a place"
        fix = f"kubectl label node NAME {wanted.replace(', ', ' ')}, or cluster.gpu.nodeSelector"
        yield problem("GPU nodes", f"none has {wanted}", why, fix)
        return
    yield ok("GPU nodes", ", ".join(node["metadata"]["name"] for node in found))
    for node in found:
        yield from _node(node, tolerated)


def _node(node: Json, tolerated: Collection[str]) -> Iterator[Finding]:
    name = node["metadata"]["name"]
    if not is_ready(node):
        why = "nothing is scheduled there"
        yield problem("node", f"{name} is not Ready", why, f"kubectl describe node {name}")
    yield _driver(name, _labels(node))
    yield _kernel(name, node)
    yield _gpus(name, node)
    yield from _taints(name, node, tolerated)
    yield from _disk(name, node)


def _driver(name: str, labels: Mapping[str, str]) -> Finding:
    full = labels.get("nvidia.com/cuda.driver-version.full")
    major = labels.get("nvidia.com/cuda.driver-version.major") or labels.get(
        "nvidia.com/cuda.driver.major"
    )
    if major is None:
        why = "it is read from the labels that the GPU operator's discovery sets"
        return unknown("driver", f"{name} has no label of its driver yet", why, "stackyard up")
    shown = full or major
    if int(major) >= DRIVER:
        return ok("driver", f"{name}: {shown}")
    why = f"NIM 2.x needs {DRIVER}"
    fix = "update the node's driver, or gpuOperator.driver: true on nodes that have none"
    return problem("driver", f"{name}: {shown}", why, fix)


def _kernel(name: str, node: Json) -> Finding:
    info = node["status"].get("nodeInfo", {})
    runtime = str(info.get("containerRuntimeVersion", ""))
    shown = (
        f"{name}: {info.get('osImage', '?')}, kernel {info.get('kernelVersion', '?')}, {runtime}"
    )
    engine, _, release = runtime.partition("://")
    numbers = tuple(int(part) for part in release.split(".")[:2] if part.isdecimal())
    if engine != "containerd" or (numbers and numbers < CONTAINERD):
        why = "the container toolkit and CDI are set up for containerd from 1.7 on"
        return problem("kernel and runtime", shown, why, "a node with containerd 1.7 or later")
    return ok("kernel and runtime", shown)


def _gpus(name: str, node: Json) -> Finding:
    labels = _labels(node)
    allocatable = node["status"].get("allocatable", {})
    counts = {key: value for key, value in allocatable.items() if key.startswith("nvidia.com/")}
    total = sum(int(value) for value in counts.values())
    product = labels.get("nvidia.com/gpu.product", "a GPU without a product label")
    if total:
        shown = ", ".join(f"{value} {key}" for key, value in counts.items() if value != "0")
        return ok("GPUs", f"{name}: {product}, {shown}")
    why = "pods that ask for a GPU stay Pending"
    fix = "kubectl -n gpu-operator get pods; its device plugin and validator must be Running"
    return problem("GPUs", f"{name}: {product}, none allocatable", why, fix)


def _taints(name: str, node: Json, tolerated: Collection[str]) -> Iterator[Finding]:
    for taint in node.get("spec", {}).get("taints") or []:
        if taint["key"] in tolerated or taint["effect"] == "PreferNoSchedule":
            continue
        text = f"{taint['key']}={taint.get('value', '')}:{taint['effect']}"
        why = f"model pods tolerate {', '.join(tolerated)} only"
        fix = f"cluster.gpu.tolerations, or kubectl taint node {name} {taint['key']}-"
        yield problem("taints", f"{name} has {text}", why, fix)


def _disk(name: str, node: Json) -> Iterator[Finding]:
    free = quantity(node["status"].get("allocatable", {}).get("ephemeral-storage", "0")) / 1e9
    pressure = any(
        each["type"] == "DiskPressure" and each["status"] == "True"
        for each in node["status"].get("conditions") or []
    )
    why = "NIM images take 10 to 20 GB each, and once more unpacked"
    if pressure or free < DISK_GB:
        shown = "has disk pressure" if pressure else f"has {free:.0f} GB for images"
        fix = "cluster.gpuPools[].diskGb: 200, or a larger root disk"
        yield problem("node disk", f"{name} {shown}", why, fix)
    else:
        yield ok("node disk", f"{name}: {free:.0f} GB")


def _labels(node: Json) -> dict[str, str]:
    return dict(node["metadata"].get("labels") or {})


def _has_card(node: Json) -> bool:
    labels = _labels(node)
    return labels.get(PRESENT) == "true" or any(labels.get(key) == "true" for key in PCI)
