"""Whether one model fits on one kind of node: by precision, profile and memory of its GPUs."""

from dataclasses import dataclass

from stackyard.planner.facts import PRECISIONS, NodeType
from stackyard.planner.memory import Need, Room, batched_tokens, kv_tokens, need_of, room_of
from stackyard.planner.wants import Want, Wants, gib, profile_parts


@dataclass(frozen=True)
class Fit:
    """How one model fits on one kind of node, or why not."""

    want: Want
    need: Need | None
    room: int  # bytes of the GPU or slice that it may have
    why_not: str = ""
    hint: str = ""


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
