"""Which model goes on which GPU: by memory, precision, cores, host memory and disk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stackyard.planner.facts import GIB, PRECISIONS, NodeType, node_types
from stackyard.planner.memory import Need, Room, batched_tokens, kv_tokens, need_of, room_of
from stackyard.planner.wants import Want, Wants, gib, profile_parts

# What EKS keeps of a node (awslabs/amazon-eks-ami, nodeadm): 255 MiB + 11 MiB a pod of 58, and
# 100 MiB before it evicts; of the cores 6 % of the first, 1 % of the second, then 0.5 and 0.25 %.
KEPT_GIB = (255 + 11 * 58 + 100) / 1024
# What the daemons of every GPU node ask for: CNI, proxy, CSI, device plugin, GFD, DCGM exporter
DAEMON_CPUS = 0.35
DAEMON_GIB = 0.8
# An image is on the node twice, as it came and unpacked (about 1.5 times of that).
IMAGE_ON_DISK = 2.5
SYSTEM_DISK_GB = 20
NO_NODE = "there is no GPU node"
CACHE_MARGIN = 1.1  # of the weights: tokenizer, compiled kernels, the download's temporary file


@dataclass(frozen=True)
class Fit:
    """How one model fits on one kind of node, or why not."""

    want: Want
    need: Need | None
    room: int  # bytes of the GPU or slice that it may have
    why_not: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Placed:
    """A model on GPUs of one node."""

    want: Want
    need: Need
    node: int
    gpus: tuple[int, ...]


@dataclass
class Node:
    """One node while models are being put on it."""

    kind: NodeType
    slots: int
    disk_gb: float
    gpus: list[list[int]] = field(default_factory=list)  # each GPU's bytes taken, one a pod
    cpus: float = 0
    memory_gib: float = 0
    image_gb: float = 0

    def __post_init__(self) -> None:
        self.gpus = [[] for _ in range(self.kind.gpus)]


@dataclass(frozen=True)
class Placement:
    """All models on nodes, and what did not find a place."""

    nodes: tuple[Node, ...]
    placed: tuple[Placed, ...]
    unplaced: tuple[Fit, ...]

    @property
    def fits(self) -> bool:
        return not self.unplaced


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


def candidates(want: Want, *, small: bool = False) -> list[tuple[str, int, str | None]]:
    """Return precision, GPUs and profile in the order in which they are tried.

    The GPUs are those of the settings, whose default is one. Where the settings name no profile,
    every profile of the model for so many GPUs, exact weights before the quantised ones, or
    (`small`) the other way round.
    """
    assert want.model is not None
    gpus = want.gpus or 1
    if want.model.fixed_gpu_gib is not None:
        return [("fp16", gpus, want.profile)]
    if want.precision is not None:
        return [(want.precision, gpus, want.profile)]
    found = [each for each in profiles_of(want) if each[1] == gpus] or [("bf16", gpus, None)]
    return sorted(found, key=lambda each: (PRECISIONS[each[0]] == 2.0) == small)


def profiles_of(want: Want) -> list[tuple[str, int, str | None]]:
    """Return precision, GPUs and name of every profile that the model has."""
    assert want.model is not None
    named = [(profile, *profile_parts(profile)) for profile in want.model.profiles]
    return [(precision, gpus, profile) for profile, precision, gpus in named if precision and gpus]


def fit_of(
    want: Want,
    kind: NodeType,
    wants: Wants,
    *,
    concurrency: int = 1,
    beside: int = 0,
    small: bool = False,
) -> Fit:
    """Return how a model fits on one kind of node, alone or beside `beside` bytes on its GPU."""
    if want.model is None:
        return Fit(want, None, 0, "nothing is known of this model")
    sliced = wants.sharing == "mig"
    mig = mig_of(wants, kind)
    if sliced and mig is None:
        asked = wants.mig_profile or f"{wants.slices} slices"
        known = ", ".join(kind.gpu.mig) or "none"
        why = f"{kind.gpu.name} has no MIG profile for {asked} (it has {known})"
        return Fit(want, None, 0, why, "gpuOperator.sharing: timeSlicing, or another GPU")
    room = room_of(kind.gpu, mig)
    reasons: list[Fit] = []
    for precision, gpus, profile in candidates(want, small=small):
        fit = _try(want, kind, room, precision, gpus, profile, concurrency, beside, sliced)
        if not fit.why_not:
            return fit
        reasons.append(fit)
    return min(reasons, key=lambda fit: (fit.need is None, fit.need.bytes if fit.need else 0))


def _try(
    want: Want,
    kind: NodeType,
    room: Room,
    precision: str,
    gpus: int,
    profile: str | None,
    concurrency: int,
    beside: int,
    sliced: bool,
) -> Fit:
    model = want.model
    assert model is not None
    gpu = kind.gpu
    if not gpu.has(precision):
        why = f"{precision} is not in the hardware of {gpu.name} (capability {gpu.capability})"
        return Fit(want, None, room.bytes, why, "a GPU from L4 on has fp8, from A10G on bf16")
    if sliced and gpus > 1:
        why = f"it takes {gpus} GPUs together, MIG slices do not work together"
        return Fit(want, None, room.bytes, why, "gpuOperator.sharing: none")
    if gpus > kind.gpus:
        why = f"it takes {gpus} GPUs together, {kind.name} has {kind.gpus}"
        return Fit(want, None, room.bytes, why, f"a node type with {gpus} GPUs")
    need = need_of(
        model,
        precision,
        gpus,
        want.context or model.context,
        concurrency=concurrency,
        batched=batched_tokens(gpu),
        profile=profile,
    )
    left = room.bytes - beside
    if need.bytes <= left:
        return Fit(want, need, left)
    why = f"{precision} needs {gib(need.bytes)} on each GPU, {room.name} has {gib(left)}"
    return Fit(want, need, left, why, _hint(want, need, left, concurrency, beside))


def _hint(want: Want, need: Need, left: int, concurrency: int, beside: int) -> str:
    """Return the setting with which the model would fit, where there is one."""
    longest = kv_tokens(need, left) // max(1, concurrency) // 1024 * 1024
    if longest >= 2048:
        return f"models.{want.role}.maxModelLength: {longest} would fit"
    if beside:
        return "one more GPU, or a GPU with more memory for its neighbour and itself"
    more = sorted(each for each in profiles_of(want) if each[1] > need.gpus)
    for precision, gpus, profile in sorted(more, key=lambda each: each[1]):
        split = need_of(need.model, precision, gpus, 8192)
        if split.bytes <= left:
            return f"models.{want.role}.gpus: {gpus} (profile {profile}) on a node with so many"
    return "a GPU with more memory"


def mig_of(wants: Wants, kind: NodeType) -> str | None:
    """Return the MIG profile into which the GPUs of a node are cut; None where they are not."""
    if wants.sharing != "mig":
        return None
    return kind.gpu.mig_profile(wants.mig_profile, wants.slices)


def place(
    wants: Wants, nodes: Sequence[tuple[NodeType, float]], *, concurrency: int = 1
) -> Placement:
    """Put every model on nodes (a kind and its disk in GB each), largest first, first fit.

    Exact weights are tried first; where that leaves no room for the others, quantised ones.
    """
    exact = _place(wants, nodes, concurrency, small=False)
    if exact.fits:
        return exact
    small = _place(wants, nodes, concurrency, small=True)
    return small if len(small.unplaced) < len(exact.unplaced) else exact


def _place(
    wants: Wants, nodes: Sequence[tuple[NodeType, float]], concurrency: int, *, small: bool
) -> Placement:
    free = [Node(kind, _slots(wants, kind), disk) for kind, disk in nodes]
    placed: list[Placed] = []
    unplaced: list[Fit] = []
    for want in sorted(_copies(wants.models), key=_size, reverse=True):
        reasons: list[Fit] = []
        for number, node in enumerate(free):
            found = _on(want, number, node, wants, concurrency, small)
            if isinstance(found, Placed):
                placed.append(found)
                _take(node, found)
                break
            reasons.append(found)
        else:
            unplaced.append(max(reasons, key=_telling) if reasons else Fit(want, None, 0, NO_NODE))
    return Placement(tuple(free), tuple(placed), tuple(unplaced))


def _copies(models: Iterable[Want]) -> list[Want]:
    return [want for want in models for _ in range(want.replicas)]


def _size(want: Want) -> tuple[int, int]:
    return (want.gpus or 1, want.model.parameters if want.model else 0)


def _telling(fit: Fit) -> tuple[bool, int]:
    """Return a key: the reason nearest to a fit tells most."""
    return (fit.need is not None, fit.room)


def _slots(wants: Wants, kind: NodeType) -> int:
    if wants.sharing == "mig":
        mig = mig_of(wants, kind)
        return kind.gpu.mig[mig][0] if mig else 1  # fit_of refuses it
    return wants.slices if wants.sharing == "timeSlicing" else 1


def _on(
    want: Want, number: int, node: Node, wants: Wants, concurrency: int, small: bool
) -> Placed | Fit:
    """Return the model's place on this node, or the reason why there is none."""
    free = [len(taken) < node.slots for taken in node.gpus]
    fits = [
        fit_of(
            want,
            node.kind,
            wants,
            concurrency=concurrency,
            beside=_taken(wants, taken),
            small=small,
        )
        for taken in node.gpus
    ]
    for gpu, fit in enumerate(fits):
        if fit.need is None or fit.why_not or not free[gpu]:
            continue
        if lack := _host_lack(want, node):
            return Fit(want, fit.need, fit.room, *lack)
        if fit.need.gpus == 1:
            return Placed(want, fit.need, number, (gpu,))
        empty = [each for each, taken in enumerate(node.gpus) if not taken]
        if len(empty) >= fit.need.gpus:
            return Placed(want, fit.need, number, tuple(empty[: fit.need.gpus]))
    if tight := [fit for fit, open_ in zip(fits, free, strict=True) if open_ and fit.why_not]:
        return max(tight, key=_telling)
    why = f"all GPUs of {node.kind.name} are taken"
    hint = "more nodes (max), gpuOperator.sharing, or a node type with more GPUs"
    return Fit(want, fits[0].need, fits[0].room, why, hint)


def _taken(wants: Wants, taken: list[int]) -> int:
    """Return what the neighbours on a GPU hold; a MIG slice has no neighbours."""
    return 0 if wants.sharing == "mig" else sum(taken)


def _host_lack(want: Want, node: Node) -> tuple[str, str] | None:
    model = want.model
    assert model is not None
    cpus, memory = usable_cpus(node.kind), usable_memory_gib(node.kind)
    if node.cpus + want.cpus > cpus:
        why = f"it asks for {want.cpus:g} cores, {node.kind.name} has {cpus - node.cpus:.1f} left"
        return why, "a node type with more vCPUs"
    if node.memory_gib + want.memory_gib > memory:
        left = memory - node.memory_gib
        why = f"it asks for {want.memory_gib:g} GiB, {node.kind.name} has {left:.1f} GiB left"
        return why, "a node type with more memory"
    disk = disk_gb(node.image_gb + model.image_gb)
    if disk > node.disk_gb:
        why = f"the images take {disk:.0f} GB on the node's disk of {node.disk_gb:.0f} GB"
        return why, f"diskGb: {-(-disk // 10) * 10:.0f}"
    return None


def _take(node: Node, placed: Placed) -> None:
    model = placed.need.model
    for gpu in placed.gpus:
        node.gpus[gpu].append(placed.need.bytes)
    node.cpus += placed.want.cpus
    node.memory_gib += placed.want.memory_gib
    node.image_gb += model.image_gb


def disk_gb(image_gb: float) -> float:
    """Return what a node's disk must hold for images of so many compressed GB."""
    return SYSTEM_DISK_GB + image_gb * IMAGE_ON_DISK


def cache_gib(need: Need) -> int:
    """Return the size of the volume for a model's files, in GiB."""
    return -(-round(need.model.weight_bytes(need.precision) * CACHE_MARGIN) // GIB)


def smallest_pool(
    wants: Wants, *, concurrency: int = 1, most: int = 8
) -> tuple[NodeType, int, Placement] | None:
    """Return the node type and count with the least GPU memory on which everything fits.

    Ties go to fewer GPUs, then fewer nodes, vCPUs and memory.
    """
    found = []
    for kind in node_types().values():
        for count in range(1, most + 1):
            placement = place(wants, [(kind, 500.0)] * count, concurrency=concurrency)
            if placement.fits:
                gpus = kind.gpus * count
                memory = gpus * kind.gpu.memory_mib
                rank = (memory, gpus, count, kind.vcpus * count, kind.memory_gib * count)
                found.append((rank, kind, count, placement))
                break
            if any(fit.need is None for fit in placement.unplaced):
                break  # no number of these nodes helps
    best = min(found, key=lambda each: each[0], default=None)
    return best[1:] if best else None
