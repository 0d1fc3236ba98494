"""Pure: by which of its own metrics a role is scaled, how far, and how slowly it shrinks."""

from dataclasses import dataclass
from typing import Any, Literal

from infra.schema import Hours, RoleScaling, Settings
from infra.schema.scaling import Metrics
from infra.schema.scaling_choices import metrics_of, scaled_roles

# gauges of /v1/metrics: requests in the queue, and the part of the KV cache in use (0 to 1)
NAMES: dict[Metrics, tuple[str, str | None]] = {
    "vllm": ("vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"),
    "nim1": ("num_requests_waiting", "gpu_cache_usage_perc"),
    "triton": ("nv_inference_pending_request_count", None),
}
ONE_DOWN_SECONDS = 120  # between two servers that go
ONE_UP_SECONDS = 60
MOST_UP = 2  # a GPU that was not needed is paid for all the same
# an answer that has begun is finished by a server that is to go: nothing new reaches it meanwhile
LEAVE_SECONDS = 60


@dataclass(frozen=True)
class Signal:
    """One gauge, and what a server may have of it.

    `sum` over the servers is divided by the target; the `average` is compared with it.
    """

    name: str  # short, of an object
    gauge: str
    target: str
    over: Literal["sum", "average"]


@dataclass(frozen=True)
class Scaling:
    """How many servers a role has, and by what."""

    min: int
    max: int
    signals: tuple[Signal, ...]
    down_seconds: int
    hours: Hours | None

    def behaviour(self) -> dict[str, Any]:
        """Return the `behavior` of a HorizontalPodAutoscaler (autoscaling/v2)."""
        return {
            "scaleUp": {"policies": [_pods(MOST_UP, ONE_UP_SECONDS)]},
            "scaleDown": {
                "stabilizationWindowSeconds": self.down_seconds,
                "policies": [_pods(1, ONE_DOWN_SECONDS)],
            },
        }


def scalings(settings: Settings, images: dict[str, str]) -> dict[str, Scaling]:
    """Return how each scaled role is; `images` are those of the roles on GPUs."""
    models, found = settings.models, {}
    for role in scaled_roles(settings):
        own, nim = models.role(role).scaling, models.kind_of(models.role(role)) == "nim"
        given = own or RoleScaling()
        found[role] = Scaling(
            min=given.min,
            max=max(given.min, given.max),
            signals=_signals(role, given, images.get(role) if nim else None) if own else (),
            down_seconds=given.down_minutes * 60,
            hours=models.hours if nim else None,
        )
    return found


def _signals(role: str, given: RoleScaling, image: str | None) -> tuple[Signal, ...]:
    own: Metrics = "vllm" if role == "llm" else "triton"  # of the servers on CPU
    metrics = given.metrics or (metrics_of(role, image) if image else own)
    if metrics is None:
        message = f"nobody knows the metrics of {image}"
        raise ValueError(message)
    queue, cache = NAMES[metrics]
    signals = [Signal("queue", queue, str(given.waiting), "sum")]
    if cache is not None and role == "llm":
        signals.append(Signal("cache", cache, f"{given.cache_use / 100:g}", "average"))
    return tuple(signals)


def _pods(count: int, seconds: int) -> dict[str, Any]:
    return {"type": "Pods", "value": count, "periodSeconds": seconds}
