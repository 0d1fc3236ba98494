"""Prometheus metrics under the names that Qdrant uses."""

from collections import defaultdict
from threading import Lock

from local.qdrant.storage import Storage

BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0)
Key = tuple[str, str, int]


class Metrics:
    """Counts and durations of responses, by method, route and status."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._buckets: dict[Key, list[int]] = defaultdict(lambda: [0] * len(BUCKETS))
        self._sums: dict[Key, float] = defaultdict(float)
        self._counts: dict[Key, int] = defaultdict(int)

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        with self._lock:
            self._counts[key] += 1
            self._sums[key] += seconds
            for i, bound in enumerate(BUCKETS):
                if seconds <= bound:
                    self._buckets[key][i] += 1

    def text(self, storage: Storage, version: str) -> str:
        lines = [
            "# HELP app_info information about qdrant server",
            "# TYPE app_info gauge",
            f'app_info{{name="qdrant-edge",version="{version}"}} 1',
            "# HELP collections_total number of collections",
            "# TYPE collections_total gauge",
            f"collections_total {len(storage.names())}",
            "# HELP collection_points approximate amount of points per collection",
            "# TYPE collection_points gauge",
        ]
        vectors = [
            "# HELP collection_indexed_vectors approximate amount of indexed vectors",
            "# TYPE collection_indexed_vectors gauge",
        ]
        for collection in storage.collections():
            info = collection.shard.read(lambda engine: engine.info())
            label = f'{{id="{_escaped(collection.name)}"}}'
            lines.append(f"collection_points{label} {info.points_count}")
            vectors.append(f"collection_indexed_vectors{label} {info.indexed_vectors_count}")
        return "\n".join([*lines, *vectors, *self._responses()]) + "\n"

    def _responses(self) -> list[str]:
        totals = [
            "# HELP rest_responses_total total number of responses",
            "# TYPE rest_responses_total counter",
        ]
        durations = [
            "# HELP rest_responses_duration_seconds response duration histogram",
            "# TYPE rest_responses_duration_seconds histogram",
        ]
        name = "rest_responses_duration_seconds"
        with self._lock:
            for key in sorted(self._counts):
                method, route, status = key
                label = f'method="{method}",endpoint="{route}",status="{status}"'
                totals.append(f"rest_responses_total{{{label}}} {self._counts[key]}")
                for bound, count in zip(BUCKETS, self._buckets[key], strict=True):
                    durations.append(f'{name}_bucket{{{label},le="{bound}"}} {count}')
                durations.append(f'{name}_bucket{{{label},le="+Inf"}} {self._counts[key]}')
                durations.append(f"{name}_sum{{{label}}} {self._sums[key]:.6f}")
                durations.append(f"{name}_count{{{label}}} {self._counts[key]}")
        return totals + durations


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
