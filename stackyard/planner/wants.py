"""What a stack asks for: its models, its pools and its sharing, from the stack's settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from infra.labels import POOL
from stackyard.errors import Trouble
from stackyard.planner.facts import GIB, PRECISIONS, Model, model_named

ROLES = ("llm", "embedding", "ranking")
PROFILE = re.compile(r"(?P<engine>\w+?)-(?P<precision>[a-z]+\d+)-tp(?P<gpus>\d+)(-pp\d+)?(-lora)?")
FRACTION = re.compile(r"--gpu-memory-utilization[ =]([0-9.]*[0-9])")
UNITS = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
DISK_GB = 200  # of a GPU node where the pool does not say
DISK_MIBS = 600  # its throughput, where the pool does not say

# what the pods ask for where the settings do not say, of the language model and of the others
# (infra/models/nim.py)
CPUS = {True: 4.0, False: 2.0}
MEMORY_GIB = {True: 24.0, False: 8.0}

# a setting that `pulumi config set --path` wrote may be a text
Number = Annotated[int, BeforeValidator(lambda value: int(str(value)))]


class Read(BaseModel):
    """A part of the settings that the planner reads; what it does not need, it leaves alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


Kind = TypeVar("Kind", bound=Read)


class ScalingRead(Read):
    """`models.<role>.scaling`."""

    min: Number = Field(default=1, ge=1)
    max: Number = Field(default=1, ge=1)


class RoleSettings(Read):
    """One role of `models`."""

    kind: str | None = None
    image: str | None = None
    model: str | None = None
    gpus: Number | None = Field(default=None, ge=1, le=16)
    profile: str | None = None
    max_model_length: Number | None = Field(default=None, ge=1)
    cache_storage: str | None = None
    cpu: str | None = None
    memory: str | None = None
    environment: dict[str, str] = {}
    scaling: ScalingRead = ScalingRead()
    pool: str | None = None
    node_selector: dict[str, str] = {}
    cache_access: str = "ReadWriteOnce"


class PoolSettings(Read):
    """One entry of `cluster.gpuPools`."""

    name: str = "gpu"
    instance_types: list[str] = []
    zones: list[str] = []
    min: Number | None = None
    desired: Number | None = None
    max: Number | None = None
    capacity: str = "on-demand"
    disk_gb: Number = DISK_GB
    disk_throughput: Number = DISK_MIBS

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of its nodes by which a model chooses them."""
        return {POOL: self.name}

    @property
    def nodes(self) -> int:
        """Return how many nodes the pool may have."""
        given = [count for count in (self.max, self.desired, self.min) if count is not None]
        return max(given, default=1)


class NodesRead(Read):
    """`cluster.gpu`."""

    preinstalled: str = "nothing"


class ClusterRead(Read):
    """`cluster`."""

    kind: Literal["eks", "existing", "local"] = "local"
    gpu: NodesRead = NodesRead()
    gpu_pools: list[PoolSettings] = []
    zones: list[str] = []


class OperatorSettings(Read):
    """`gpuOperator`."""

    sharing: Literal["none", "timeSlicing", "mig"] = "none"
    slices: Number | None = Field(default=None, ge=1, le=48)
    mig_profile: str | None = None


@dataclass(frozen=True)
class Want:
    """One model that needs GPUs of the cluster."""

    role: str
    model: Model | None  # None: nothing is known of it
    asked: str  # the model as the settings name it
    gpus: int | None
    profile: str | None
    precision: str | None  # of the profile, where its name says one
    context: int | None
    cache_bytes: int | None
    cpus: float  # that its pod asks for
    memory_gib: float
    told_fraction: float | None = None  # vLLM's --gpu-memory-utilization, where the stack sets it
    replicas: int = 1  # the most that its scaling allows
    fewest: int = 1
    selector: Mapping[str, str] = field(default_factory=dict)  # labels that its nodes must have
    in_one_zone: bool = True  # the volume of its files

    def may_be_on(self, labels: Mapping[str, str] | None) -> bool:
        """Tell whether its pods may be on a node of these labels; None: nobody knows them."""
        return labels is None or self.selector.items() <= labels.items()


@dataclass(frozen=True)
class Wants:
    """Everything that a plan starts from."""

    cluster: Literal["eks", "existing", "local"]
    models: tuple[Want, ...]
    pools: tuple[PoolSettings, ...]
    sharing: Literal["none", "timeSlicing", "mig"]
    slices: int  # pods a GPU, or MIG slices where no profile is named
    mig_profile: str | None
    driver_there: bool  # the nodes come with the driver
    elsewhere: Mapping[str, str]  # role -> where it is served without GPUs of the cluster
    zones: tuple[str, ...] = ()  # of the cluster


def read_wants(settings: Mapping[str, object]) -> Wants:
    """Return what the settings of a stack ask for.

    Raises Trouble for a value of the wrong form; everything else in the settings is the
    program's to check.
    """
    cluster = _read(ClusterRead, "cluster", _part(settings, "cluster"))
    operator = _read(OperatorSettings, "gpuOperator", _part(settings, "gpuOperator"))
    models = _part(settings, "models")
    shared = models.get("kind")
    wants, elsewhere = [], {}
    for role in ROLES:
        given = models.get(role)
        read = _read(RoleSettings, f"models.{role}", given if isinstance(given, dict) else {})
        kind = read.kind or (shared if isinstance(shared, str) else "local")
        if kind == "nim":
            wants.append(_want(role, read))
        else:
            elsewhere[role] = kind
    return Wants(
        cluster.kind,
        tuple(wants),
        tuple(cluster.gpu_pools),
        operator.sharing,
        operator.slices or (1 if operator.sharing == "none" else max(2, len(wants))),
        operator.mig_profile.removeprefix("all-") if operator.mig_profile else None,
        cluster.kind == "eks" or cluster.gpu.preinstalled != "nothing",
        elsewhere,
        tuple(cluster.zones),
    )


def _want(role: str, read: RoleSettings) -> Want:
    model = model_named(read.model, read.image, role)
    precision, _ = profile_parts(read.profile)
    told = FRACTION.search(read.environment.get("NIM_PASSTHROUGH_ARGS", ""))
    return Want(
        role,
        model,
        read.model or read.image or (model.name if model else role),
        read.gpus,
        read.profile,
        precision,
        read.max_model_length,
        quantity_bytes(read.cache_storage) if read.cache_storage else None,
        cores(read.cpu) if read.cpu else CPUS[role == "llm"],
        quantity_bytes(read.memory) / GIB if read.memory else MEMORY_GIB[role == "llm"],
        float(told[1]) if told else None,
        max(read.scaling.min, read.scaling.max),
        read.scaling.min,
        {**({POOL: read.pool} if read.pool else {}), **read.node_selector},
        read.cache_access != "ReadWriteMany",
    )


def profile_parts(profile: str | None) -> tuple[str | None, int | None]:
    """Return precision and GPUs of a profile's name; a profile given by its hash says neither."""
    match = PROFILE.fullmatch(profile or "")
    if match is None or match["precision"] not in PRECISIONS:
        return None, None
    return match["precision"], int(match["gpus"])


def quantity_bytes(text: str) -> int:
    """Return the bytes of a quantity such as 50Gi. Raises Trouble where it is none."""
    match = re.fullmatch(r"([0-9]+)(Mi|Gi|Ti)", text)
    if match is None:
        message = f"{text!r} is not a size: a number and Mi, Gi or Ti"
        raise Trouble(message, "for example 50Gi")
    return int(match[1]) * UNITS[match[2]]


def cores(text: str) -> float:
    """Return the cores of a quantity such as 2, 1.5 or 500m. Raises Trouble where it is none."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m?)", text)
    if match is None:
        message = f"{text!r} is not a number of cores"
        raise Trouble(message, "for example 4 or 500m")
    return float(match[1]) / (1000 if match[2] else 1)


def _part(settings: Mapping[str, object], name: str) -> dict[str, object]:
    """Return an object of the settings, which may also be written as keys of their own."""
    given = settings.get(name)
    part = dict(given) if isinstance(given, dict) else {}
    for key, value in settings.items():
        if key.startswith(f"{name}."):
            *above, last = key.removeprefix(f"{name}.").split(".")
            place = part
            for step in above:
                below = place.setdefault(step, {})
                place = below if isinstance(below, dict) else {}
            place.setdefault(last, value)
    return part


def _read(kind: type[Kind], name: str, given: Mapping[str, object]) -> Kind:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in (name, *first["loc"]))
        message = f"stackyard:{where} is {first['input']!r}: {first['msg']}"
        raise Trouble(message, f"pulumi config set --path 'stackyard:{where}' <value>") from None


def gib(count: float) -> str:
    """Return bytes as GiB to one decimal."""
    return f"{count / GIB:.1f} GiB"
