"""How much of a GPU's memory a model takes: every term by itself, with how it was had."""

from dataclasses import dataclass, field

from stackyard.planner.facts import GIB, MIB, Gpu, Model

# What the driver keeps of memory.total: 480 MiB of an H100 (bench/results/gpu-h100.json), 0.41 to
# 0.44 GiB of 24 and 80 GB GPUs in the logs of vllm-project/vllm issues 10517, 11550, pull 10511.
DRIVER_BYTES = 480 * MIB
# vLLM fills this part of what CUDA sees (its default was 0.90, later 0.92); the rest is for what
# its profiling does not see, CUDA graphs among it.
UTILIZATION = 0.90
# The CUDA context and the kernels that PyTorch loads: 0.51 GiB bare, 0.75 with an 8B model on an
# H100 (bench/results/gpu-h100*.json); 0.35 to 1.8 GiB in the same logs.
CONTEXT_BYTES = round(0.75 * GIB)
# NCCL's buffers on each of several GPUs: 1.8 GiB more in vllm-project/vllm pull 10511 at two GPUs,
# less in later releases.
COLLECTIVE_BYTES = round(1.0 * GIB)
SEQUENCES = 256  # vLLM's max_num_seqs
LOGIT_BYTES = 14  # a logit in 16 bit, 32 bit, and the sampler's sorted and summed copies
BATCHED_TOKENS = 2048  # vLLM's max_num_batched_tokens on GPUs below 70 GiB, by chunked prefill
BATCHED_TOKENS_LARGE = 8192
LARGE_GPU_BYTES = 70 * GIB


@dataclass(frozen=True)
class Term:
    """A part of a sum: bytes on each GPU, and how they were had."""

    name: str
    bytes: int
    how: str


@dataclass(frozen=True)
class Need:
    """What one model takes on each of its GPUs."""

    model: Model
    precision: str
    gpus: int
    context: int
    terms: tuple[Term, ...]
    kv_token_bytes: int = 0
    profile: str | None = None

    @property
    def bytes(self) -> int:
        return sum(term.bytes for term in self.terms)

    @property
    def fixed_bytes(self) -> int:
        """Return what is taken before the first token of KV cache."""
        return sum(term.bytes for term in self.terms if term.name != "KV cache")


@dataclass(frozen=True)
class Room:
    """The memory of one GPU, or of one MIG slice, that programs can have."""

    name: str
    terms: tuple[Term, ...] = field(default=())

    @property
    def bytes(self) -> int:
        return sum(term.bytes for term in self.terms)


def room_of(gpu: Gpu, mig: str | None = None, utilization: float = UTILIZATION) -> Room:
    """Return the room of a whole GPU, or of one slice of a MIG profile.

    Raises KeyError where the GPU does not have the profile.
    """
    if mig is not None:
        _, gib = gpu.mig[mig]
        total = Term(f"MIG {mig}", round(gib * GIB), "the profile's memory")
    else:
        total = Term(gpu.name, gpu.memory_mib * 2**20, f"{gpu.memory_mib} MiB by nvidia-smi")
    driver = Term("driver", 0 if mig else -DRIVER_BYTES, "kept by the driver")
    seen = total.bytes + driver.bytes
    margin = Term("margin", -round(seen * (1 - utilization)), f"{1 - utilization:.0%} left free")
    name = f"{gpu.name} {total.name}" if mig else gpu.name
    return Room(name, (total, driver, margin))


def batched_tokens(gpu: Gpu) -> int:
    """Return how many tokens vLLM computes at once by default on this GPU."""
    large = gpu.memory_mib * 2**20 >= LARGE_GPU_BYTES and not gpu.name.startswith("A100")
    return BATCHED_TOKENS_LARGE if large else BATCHED_TOKENS


def need_of(
    model: Model,
    precision: str,
    gpus: int,
    context: int,
    *,
    concurrency: int = 1,
    batched: int = BATCHED_TOKENS,
    profile: str | None = None,
) -> Need:
    """Return the terms of a model on each of `gpus` GPUs (tensor parallel).

    The KV cache holds `concurrency` requests of full length; less than one and vLLM refuses to
    start. Activation: the widest layer's tensors in 16 bit, which reproduces the peaks of
    vllm-project/vllm issue 10517 (2.07 GiB at 20000 tokens, 2.99 at 29000), and the logits.
    """
    if model.fixed_gpu_gib is not None:
        published = Term("published", round(model.fixed_gpu_gib * GIB), "NVIDIA's support matrix")
        return Need(model, precision, 1, 0, (published,), profile=profile)
    weights = model.weight_bytes(precision)
    layer = batched * 2 * 3 * (model.hidden_size + model.feed_forward_size) // gpus
    logits = SEQUENCES * model.vocabulary * LOGIT_BYTES // gpus
    token = model.kv_bytes_per_token(gpus)
    split = f" / {gpus} GPUs" if gpus > 1 else ""
    billions = model.parameters / 1e9
    terms = [
        Term("weights", weights // gpus, f"{billions:.2f} G parameters in {precision}{split}"),
        Term("CUDA context", CONTEXT_BYTES, "context and loaded kernels"),
        Term(
            "activation",
            layer + logits,
            f"{batched} tokens x 6 B x (hidden + feed forward), {SEQUENCES} rows of logits{split}",
        ),
        Term(
            "KV cache",
            token * context * concurrency,
            f"{token // 1024} KiB a token x {context} tokens x {concurrency} at once",
        ),
    ]
    if gpus > 1:
        terms.insert(2, Term("collectives", COLLECTIVE_BYTES, "NCCL buffers"))
    return Need(model, precision, gpus, context, tuple(terms), token, profile)


def kv_tokens(need: Need, room: int) -> int:
    """Return how many tokens of KV cache are left for a model in a room of so many bytes."""
    if not need.kv_token_bytes:
        return 0
    return max(0, (room - need.fixed_bytes) // need.kv_token_bytes)
