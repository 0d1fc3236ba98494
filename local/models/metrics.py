"""Counters, gauges and histograms in Prometheus' text format; the client library is not needed."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# vLLM's buckets for time to first token, cut where a CPU and a GPU both still fit.
FIRST_TOKEN_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
Labels = tuple[tuple[str, str], ...]


class Metric(Protocol):
    """Whatever can write itself into a scrape."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of this metric."""
        ...


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
    return f"{name}{{{inner}}} {value!r}" if inner else f"{name} {value!r}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Counter:
    """A number that only grows, one per set of labels."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.values: dict[Labels, float] = {}

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count `amount` more."""
        key = tuple(labels.items())
        self.values[key] = self.values.get(key, 0) + amount

    def lines(self) -> Iterator[str]:
        """Yield the lines of this counter."""
        yield from _head(self.name, "counter", self.text)
        for labels, value in self.values.items():
            yield _sample(self.name, labels, value)


class Gauge:
    """A number read at the moment of the scrape, one per set of labels."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.reads: dict[Labels, Callable[[], float]] = {}

    def watch(self, read: Callable[[], float], **labels: str) -> None:
        """Read this number, under these labels, at every scrape."""
        self.reads[tuple(labels.items())] = read

    def lines(self) -> Iterator[str]:
        """Yield the lines of this gauge."""
        yield from _head(self.name, "gauge", self.text)
        for labels, read in self.reads.items():
            yield _sample(self.name, labels, read())


class Histogram:
    """How long something took, as cumulative buckets, one set of them per set of labels."""

    def __init__(self, name: str, text: str, buckets: Sequence[float] = LATENCY_BUCKETS) -> None:
        self.name = name
        self.text = text
        self.buckets = tuple(buckets)
        self.counts: dict[Labels, list[int]] = {}
        self.totals: dict[Labels, float] = {}

    def expect(self, **labels: str) -> None:
        """Show empty buckets from the first scrape on, as rates need them."""
        key = tuple(labels.items())
        self.counts.setdefault(key, [0] * (len(self.buckets) + 1))
        self.totals.setdefault(key, 0.0)

    def observe(self, seconds: float, **labels: str) -> None:
        """Add one measurement."""
        self.expect(**labels)
        key = tuple(labels.items())
        self.counts[key][bisect_left(self.buckets, seconds)] += 1
        self.totals[key] += seconds

    def lines(self) -> Iterator[str]:
        """Yield the lines of this histogram."""
        yield from _head(self.name, "histogram", self.text)
        bounds = [*map(str, self.buckets), "+Inf"]
        for labels, counts in self.counts.items():
            for bound, below in zip(bounds, accumulate(counts), strict=True):
                yield _sample(f"{self.name}_bucket", (*labels, ("le", bound)), below)
            yield _sample(f"{self.name}_sum", labels, self.totals[labels])
            yield _sample(f"{self.name}_count", labels, sum(counts))


def render(metrics: Sequence[Metric]) -> str:
    """Return one scrape."""
    return "\n".join([line for metric in metrics for line in metric.lines()] + [""])
