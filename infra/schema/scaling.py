"""What a stack may say about how many servers a model role has, and when it has any."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.schema.fields import Frozen, ObjectName

KEDA_VERSION = "2.20.2"  # of the chart whose values and images are known here
Metrics = Literal["vllm", "nim1", "triton"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
TimeZone = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}$")]


class RoleScaling(Frozen):
    """How many servers one role may have, by what its own metrics say."""

    min: int = Field(default=1, ge=1, le=64, description="local, nim: fewest servers")
    max: int = Field(default=1, ge=1, le=64, description="local, nim: most servers")
    waiting: int = Field(
        default=4, ge=1, le=10_000, description="local, nim: requests that may wait for a server"
    )
    cache_use: int = Field(
        default=80, ge=10, le=100, description="local, nim, llm: KV cache in use, in percent"
    )
    down_minutes: int = Field(
        default=10,
        ge=0,
        le=60,
        description="local, nim: how long fewer must have been enough before one goes",
    )
    metrics: Metrics | None = Field(
        default=None,
        description="local, nim: whose names: `vllm` (also NIM 2.x), `nim1` (NIM 1.x), `triton` "
        "(retrieval NIM 1.x). Unset: by role and image",
    )


class Hours(Frozen):
    """When models on GPUs run; outside of these hours they have no server and no node."""

    start: ClockTime = Field(default="07:00", description="nim: from when")
    end: ClockTime = Field(default="19:00", description="nim: until when, the same day")
    days: list[Day] = Field(
        default=["mon", "tue", "wed", "thu", "fri"], min_length=1, description="nim: on which days"
    )
    time_zone: TimeZone = Field(
        default="Etc/UTC", description="nim: whose clock, for example Europe/Berlin"
    )


class KedaSettings(Frozen):
    """KEDA, which scales model servers by their metrics and by the clock."""

    mode: Literal["install", "adopt"] | None = Field(
        default=None,
        description="`install` it, or `adopt` one that is there. Unset: `install`, with "
        "cluster.scope `namespace` `adopt`; only where a role has `scaling` or models have `hours`",
    )
    version: str = Field(default=KEDA_VERSION, min_length=5, description="of its chart")
    chart: str | None = Field(
        default=None,
        min_length=1,
        description="a chart file or oci:// address in place of KEDA's repository",
    )
    namespace: ObjectName = Field(default="keda", description="where it is, or is to be")
