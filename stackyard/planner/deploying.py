"""How long a first deploy takes: bytes over bandwidth, stage by stage, along the critical path."""

from collections.abc import Sequence
from dataclasses import dataclass

from stackyard.planner.facts import GB, MIB
from stackyard.planner.placing import Node, Placed
from stackyard.planner.wants import Wants

# Planning figures, in seconds; none of them depends on bytes, and none was measured by us on AWS.
CONTROL_PLANE = 720  # an EKS control plane: AWS says 10 to 15 minutes
BOOT = 180  # an instance from its request to a Ready node
OPERATOR = 120  # operator, NFD, device plugin until the node has nvidia.com/gpu
DRIVER_BUILD = 300  # the driver container compiles its kernel module; not on AMIs that ship it
WARM_UP = 90  # torch.compile and CUDA graphs: 55 s of compiling for 70B in vllm pull 12569
DRIVER_GB = 1.0  # the driver container
OPERATOR_GB = 1.2  # operator, toolkit, device plugin, DCGM exporter, NFD
UNPACKED = 1.5  # unpacked bytes of an image for each compressed one, written beside them
# Host to device from ordinary memory, bytes a second: half of the 8.2e9 of an H100 on PCIe 5 x16
# (bench/results/gpu-h100.json), for the narrower links of the other GPUs.
TO_DEVICE = 4e9
CACHE_MIBS = 125  # gp3's throughput of the model's volume


@dataclass(frozen=True)
class Stage:
    """One stage of the critical path."""

    name: str
    seconds: float
    bytes: int
    how: str


@dataclass(frozen=True)
class Speeds:
    """What bytes travel at: the network in Mbit/s, the node's disk in MiB/s."""

    network_mbps: float
    disk_mibs: float


def stages_of(
    wants: Wants,
    nodes: Sequence[Node],
    placed: Sequence[Placed],
    speeds: Speeds,
    *,
    driver_shipped: bool,
) -> list[Stage]:
    """Return the stages in order; each ends when its slowest node or model does.

    Images of one node are pulled one after the other (kubelet's default); nodes work in parallel.
    """
    network = speeds.network_mbps * 1e6 / 8
    disk = speeds.disk_mibs * MIB
    stages = []
    if wants.cluster == "eks":
        stages += [
            Stage("cluster", CONTROL_PLANE, 0, "control plane, planning figure"),
            Stage("nodes", BOOT, 0, "boot and join, planning figure"),
        ]
    driver_bytes = 0 if driver_shipped else round(DRIVER_GB * GB)
    driver = driver_bytes + round(OPERATOR_GB * GB)
    build = 0 if driver_shipped else DRIVER_BUILD
    shipped = "the node's image has the driver" if driver_shipped else "driver container, its build"
    stages.append(Stage("driver", _pull(driver, network, disk) + build + OPERATOR, driver, shipped))
    images = max((round(node.image_gb * GB) for node in nodes), default=0)
    how = f"largest node; {speeds.network_mbps:g} Mbit/s, unpacked at {speeds.disk_mibs:g} MiB/s"
    stages.append(Stage("image pull", _pull(images, network, disk), images, how))
    largest = max((_weights(each) for each in placed), default=0)
    written = min(network, CACHE_MIBS * MIB)
    how = f"largest model, written at {written / MIB:.0f} MiB/s"
    stages.append(Stage("weights", largest / written, largest, how))
    stages.append(
        Stage("load", load_seconds(largest), largest, f"read at {CACHE_MIBS} MiB/s, to the GPU")
    )
    stages.append(Stage("warm-up", WARM_UP, 0, "compile and capture, planning figure"))
    return stages


def load_seconds(weights: int) -> float:
    """Return the seconds from a model's volume to its GPU."""
    return weights / (CACHE_MIBS * MIB) + weights / TO_DEVICE


def restart_seconds(placed: Placed, speeds: Speeds, *, image_there: bool) -> float:
    """Return the seconds until a model answers again on a node that is up, its cache attached."""
    network, disk = speeds.network_mbps * 1e6 / 8, speeds.disk_mibs * MIB
    image = 0 if image_there else round(placed.need.model.image_gb * GB)
    return _pull(image, network, disk) + load_seconds(_weights(placed)) + WARM_UP


def _weights(placed: Placed) -> int:
    return placed.need.model.weight_bytes(placed.need.precision)


def _pull(compressed: int, network: float, disk: float) -> float:
    """Return the seconds of a pull: the slower of receiving and of writing what was received."""
    return max(compressed / network, compressed * (1 + UNPACKED) / disk)
