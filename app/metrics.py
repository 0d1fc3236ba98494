"""Counters and latency histograms in Prometheus' text format."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _render(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""


class Histogram:
    """Observations of one set of labels."""

    def __init__(self) -> None:
        # Of each bucket alone; those above it are added up for who reads the page.
        self._counts = [0] * (len(BUCKETS) + 1)
        self.count = 0
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.count += 1
        self.sum += seconds
        self._counts[bisect_left(BUCKETS, seconds)] += 1

    def lines(self, name: str, labels: Labels) -> list[str]:
        bounds = (*map(str, BUCKETS), "+Inf")
        buckets = [
            f"{name}_bucket{_render((*labels, ('le', bound)))} {count}"
            for bound, count in zip(bounds, accumulate(self._counts), strict=True)
        ]
        shown = _render(labels)
        return [*buckets, f"{name}_sum{shown} {self.sum:.6f}", f"{name}_count{shown} {self.count}"]


class Metrics:
    """What this process has done so far; gauges are asked for when somebody looks."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: defaultdict[Labels, int] = defaultdict(int)
        self._durations: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        self._stages: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        self._answers: defaultdict[Labels, int] = defaultdict(int)
        self._degraded: defaultdict[Labels, int] = defaultdict(int)
        self._withheld: defaultdict[Labels, int] = defaultdict(int)
        self._gauges: dict[str, Callable[[], Mapping[Labels, float]]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        where = (("method", method), ("route", route))
        self._requests[(*where, ("status", str(status)))] += 1
        self._durations[where].observe(seconds)

    def answer(
        self,
        *,
        answerable: bool,
        degraded: Sequence[str],
        timings: Mapping[str, float],
        withheld: bool = False,
    ) -> None:
        self._withheld[()] += withheld
        self._answers[(("answerable", str(answerable).lower()),)] += 1
        for stage in degraded:
            self._degraded[(("stage", stage),)] += 1
        for stage, seconds in timings.items():
            self._stages[(("stage", stage),)].observe(seconds)

    def gauge(self, name: str, read: Callable[[], Mapping[Labels, float]]) -> None:
        self._gauges[name] = read

    def text(self) -> str:
        """Return the whole page."""
        lines = ["# TYPE rag_requests_in_flight gauge", f"rag_requests_in_flight {self.in_flight}"]
        for name, counter in (
            ("rag_requests", self._requests),
            ("rag_answers", self._answers),
            ("rag_answers_degraded", self._degraded),
            ("rag_answers_withheld", self._withheld),
        ):
            lines.append(f"# TYPE {name}_total counter")
            lines += [f"{name}_total{_render(labels)} {n}" for labels, n in counter.items()]
        for name, family in (
            ("rag_request_duration_seconds", self._durations),
            ("rag_stage_duration_seconds", self._stages),
        ):
            lines.append(f"# TYPE {name} histogram")
            for labels, histogram in family.items():
                lines += histogram.lines(name, labels)
        for name, read in self._gauges.items():
            lines.append(f"# TYPE {name} gauge")
            lines += [f"{name}{_render(labels)} {value:.16g}" for labels, value in read().items()]
        return "\n".join(lines) + "\n"
