"""Windows of measuring, what is read off them, and which of them are void."""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

BUSIEST = 0.85  # a stub core busier than this measures itself


def is_void(stub_busy: float) -> bool:
    """Say whether what was measured beside so busy a stub core counts for nothing."""
    return stub_busy > BUSIEST


@dataclass(frozen=True, kw_only=True)
class Window:
    """One server under one load for some seconds."""

    server: str
    what: str
    concurrency: int
    seconds: float
    latencies: Sequence[float]  # of whole answers
    first_texts: Sequence[float]  # seconds to the first text of each
    failed: int
    cpu_seconds: float  # of the server
    stub_busy: float  # share of the stub core that was used, by whomever
    foreign: float  # share of the server's core that others used
    peak_mib: float

    @property
    def void(self) -> bool:
        return is_void(self.stub_busy)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def cpu_milliseconds(self) -> float:
        """Return the server's CPU time per answer; NaN where there was none."""
        count = len(self.latencies)
        return 1000 * self.cpu_seconds / count if count else math.nan


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the percentile by linear interpolation; NaN for no values.

    As numpy's default and statistics.quantiles(method="inclusive").
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours over theirs, round by round; a round that one of them lacks is left out."""
    return [
        mine / other
        for mine, other in zip(ours, theirs, strict=False)
        if other and not math.isnan(mine) and not math.isnan(other)
    ]


def as_row(seen: Window) -> dict[str, object]:
    """Return what is kept of a window."""
    row = {
        field.name: getattr(seen, field.name)
        for field in dataclasses.fields(seen)
        if field.name not in ("latencies", "first_texts")
    }
    read = {
        "answers": len(seen.latencies),
        "per_second": seen.rate,
        "p50": percentile(seen.latencies, 50),
        "p95": percentile(seen.latencies, 95),
        "first_text_p50": percentile(seen.first_texts, 50),
        "cpu_ms": seen.cpu_milliseconds,
    }
    return {
        name: None if isinstance(value, float) and math.isnan(value) else _short(value)
        for name, value in (row | read | {"void": seen.void}).items()
    }


def _short(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
