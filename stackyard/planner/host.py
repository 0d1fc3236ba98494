"""What a node has for pods besides GPUs: cores, memory and disk, less what the system keeps."""

from stackyard.planner.facts import NodeType

# What EKS keeps of a node (awslabs/amazon-eks-ami, nodeadm): 255 MiB + 11 MiB a pod of 58, and
# 100 MiB before it evicts; of the cores 6 % of the first, 1 % of the second, then 0.5 and 0.25 %.
KEPT_GIB = (255 + 11 * 58 + 100) / 1024
# What the daemons of every GPU node ask for: CNI, proxy, CSI, device plugin, GFD, DCGM exporter
DAEMON_CPUS = 0.35
DAEMON_GIB = 0.8
# An image is on the node twice, as it came and unpacked (about 1.5 times of that).
IMAGE_ON_DISK = 2.5
SYSTEM_DISK_GB = 20


def usable_cpus(kind: NodeType) -> float:
    """Return the cores that pods of ours can ask for."""
    if kind.allocatable:
        return kind.vcpus - DAEMON_CPUS
    whole = int(kind.vcpus)
    kept = sum(_kept_of_core(core) for core in range(whole))
    return kind.vcpus - kept - DAEMON_CPUS


def _kept_of_core(core: int) -> float:
    return 0.06 if core == 0 else 0.01 if core == 1 else 0.005 if core < 4 else 0.0025


def usable_memory_gib(kind: NodeType) -> float:
    """Return the host memory in GiB that pods of ours can ask for."""
    return kind.memory_gib - (0 if kind.allocatable else KEPT_GIB) - DAEMON_GIB


def disk_gb(image_gb: float) -> float:
    """Return what a node's disk must hold for images of so many compressed GB."""
    return SYSTEM_DISK_GB + image_gb * IMAGE_ON_DISK
