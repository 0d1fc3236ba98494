"""Which model goes on which GPU of which node: largest first, first fit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stackyard.planner.facts import GIB, NodeType, node_types
from stackyard.planner.fitting import Fit, fit_of, mig_of
from stackyard.planner.host import disk_gb, usable_cpus, usable_memory_gib
from stackyard.planner.memory import Need
from stackyard.planner.wants import Want, Wants

NO_NODE = "there is no GPU node"
CACHE_MARGIN = 1.1  # of the weights: tokenizer, compiled kernels, the download's temporary file


@dataclass(frozen=True)
class Placed:
    """A model on GPUs of one node."""

    want: Want
    need: Need
    node: int
    gpus: tuple[int, ...]


@dataclass(frozen=True)
class Host:
    """A node before anything is on it; no labels: nobody knows them."""

    kind: NodeType
    disk_gb: float
    labels: Mapping[str, str] | None = None


@dataclass
class Node:
    """One node while models are being put on it."""

    kind: NodeType
    slots: int
    disk_gb: float
    labels: Mapping[str, str] | None = None
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


def place(wants: Wants, nodes: Sequence[Host], *, concurrency: int = 1) -> Placement:
    """Put every model on nodes that it may be on, largest first, first fit.

    Exact weights are tried first; where that leaves no room for the others, quantised ones.
    """
    exact = _place(wants, nodes, concurrency, small=False)
    if exact.fits:
        return exact
    small = _place(wants, nodes, concurrency, small=True)
    return small if len(small.unplaced) < len(exact.unplaced) else exact


def _place(wants: Wants, nodes: Sequence[Host], concurrency: int, *, small: bool) -> Placement:
    free = [Node(each.kind, _slots(wants, each.kind), each.disk_gb, each.labels) for each in nodes]
    placed: list[Placed] = []
    unplaced: list[Fit] = []
    for want in sorted(_copies(wants.models), key=_size, reverse=True):
        reasons: list[Fit] = []
        for number, node in enumerate(free):
            if not want.may_be_on(node.labels):
                continue
            found = _on(want, number, node, wants, concurrency, small)
            if isinstance(found, Placed):
                placed.append(found)
                _take(node, found)
                break
            reasons.append(found)
        else:
            unplaced.append(max(reasons, key=_telling) if reasons else _nowhere(want, bool(free)))
    return Placement(tuple(free), tuple(placed), tuple(unplaced))


def _nowhere(want: Want, others: bool) -> Fit:
    labels = ", ".join(f"{key}={value}" for key, value in want.selector.items())
    return Fit(want, None, 0, f"{NO_NODE} of {labels}" if others else NO_NODE)


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
    beside = [_taken(wants, taken) for taken in node.gpus]
    # GPUs that hold as much are alike
    alike = {
        taken: fit_of(want, node.kind, wants, concurrency=concurrency, beside=taken, small=small)
        for taken in set(beside)
    }
    fits = [alike[taken] for taken in beside]
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
            placement = place(wants, [Host(kind, 500.0)] * count, concurrency=concurrency)
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
