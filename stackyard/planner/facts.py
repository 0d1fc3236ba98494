"""What is known of GPUs, nodes and models: the data files as types, each line with its source."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from stackyard.errors import Trouble

DATA = Path(__file__).parent / "data"
GIB = 2**30
MIB = 2**20
GB = 10**9
# weight bytes of one parameter
PRECISIONS = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "w8a8": 1.0, "nvfp4": 0.5}
# the compute capability from which a GPU has it in hardware (data/gpus.yaml, source c)
NEEDS_CAPABILITY = {"bf16": 8.0, "fp16": 7.0, "fp8": 8.9, "w8a8": 7.5, "nvfp4": 10.0}

# YAML 1.1 leaves 8_030_261_248 a text in some readers and a number in others
Count = Annotated[int, BeforeValidator(lambda value: int(str(value).replace("_", "")))]


class Fact(BaseModel):
    """One line of a data file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Gpu(Fact):
    """One GPU model; memory in MiB as nvidia-smi says it."""

    name: str
    memory_mib: int
    capability: float
    source: str
    mig: dict[str, tuple[int, float]] = {}  # profile -> slices of it, GiB of one

    def mig_profile(self, name: str | None, slices: int) -> str | None:
        """Return the profile of that name or of so many slices; None where the GPU has none."""
        if name is not None:
            return name if name in self.mig else None
        return next((each for each, (count, _) in self.mig.items() if count == slices), None)

    def has(self, precision: str) -> bool:
        """Say whether the precision runs on this GPU in hardware."""
        return self.capability >= NEEDS_CAPABILITY[precision]


class NodeType(Fact):
    """One kind of node: how many GPUs of which model, vCPUs, memory in GiB."""

    name: str
    gpu: Gpu
    gpus: int
    vcpus: float
    memory_gib: float
    allocatable: bool = False  # vcpus and memory are already what Kubernetes hands out


class Model(Fact):
    """One model; a language model has a shape, a retriever the GPU memory that NVIDIA publishes."""

    name: str
    role: str
    parameters: Count
    source: str
    layers: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    hidden_size: int = 0
    feed_forward_size: int = 0
    vocabulary: int = 0
    context: int = 0
    profiles: tuple[str, ...] = ()
    fixed_gpu_gib: float | None = None
    image_gb: float = 0

    def weight_bytes(self, precision: str) -> int:
        """Return the bytes of the weights; embeddings and head stay in 16 bit when quantised."""
        if PRECISIONS[precision] == 2.0:
            return self.parameters * 2
        embeddings = 2 * self.vocabulary * self.hidden_size
        return round((self.parameters - embeddings) * PRECISIONS[precision]) + embeddings * 2

    def kv_bytes_per_token(self, gpus: int = 1) -> int:
        """Return the bytes of KV cache for a token on each GPU, keys and values in 16 bit.

        Where there are more GPUs than KV heads, heads are repeated (vLLM, Megatron).
        """
        heads = max(1, self.kv_heads // gpus)
        return 2 * self.layers * heads * self.head_dim * 2


def _read(name: str) -> dict[str, Mapping[str, object]]:
    read = yaml.safe_load((DATA / f"{name}.yaml").read_text())
    return dict(read[name])


@functools.cache
def gpus() -> dict[str, Gpu]:
    """Return the known GPUs by name."""
    return {
        name: Gpu.model_validate({"name": name, **line}) for name, line in _read("gpus").items()
    }


@functools.cache
def node_types() -> dict[str, NodeType]:
    """Return the known instance types by name."""
    known = gpus()
    return {
        name: NodeType.model_validate({"name": name, **line, "gpu": known[str(line["gpu"])]})
        for name, line in _read("nodes").items()
    }


@functools.cache
def models() -> dict[str, Model]:
    """Return the known models by their id."""
    return {
        name: Model.model_validate({"name": name, **line}) for name, line in _read("models").items()
    }


def gpu_named(text: str) -> Gpu:
    """Return a GPU by our name, by GFD's product label, or by a part of it.

    `NVIDIA-L40S-SHARED` and `l40s` are both the L40S; a bare `A100` or `H100` is the one of 80 GB.
    """
    wanted = text.upper().removeprefix("NVIDIA-").replace("TESLA-", "")
    wanted = wanted.removesuffix("-SHARED").split("-MIG-")[0]
    for name, gpu in sorted(gpus().items(), key=lambda item: -len(item[0])):
        family, _, size = name.partition("-")
        if wanted == name.upper() or (
            wanted.split("-")[0] == family and (not size or size in wanted)
        ):
            return gpu
    for name, gpu in gpus().items():
        if name == f"{wanted}-80GB":
            return gpu
    message = f"GPU {text!r} is not known; known are {', '.join(gpus())}"
    raise Trouble(message, "add its line to stackyard/planner/data/gpus.yaml")


def model_named(model: str | None, image: str | None, role: str) -> Model | None:
    """Return what is known of a role's model, by its id or its image; None where nothing is."""
    known = models()
    if model is not None and model in known:
        return known[model]
    if image is not None:
        path = image.partition("@")[0]
        path = path.rpartition(":")[0] if ":" in path.rpartition("/")[2] else path
        tail = "/".join(path.split("/")[-2:])
        return known.get(tail) or next(
            (each for each in known.values() if path.endswith(each.name)), None
        )
    if model is None:
        return next((each for each in known.values() if each.role == role), None)
    return None
