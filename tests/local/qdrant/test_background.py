"""Indexes are built beside the running server: nothing waits for them, nothing is lost."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.local.qdrant.serving import Serving

SIZE = 64
POINTS = 3000
PATIENCE_SECONDS = 60.0


def vector(number: int) -> list[float]:
    """Spread vectors over the axes, each different."""
    return [1.0 if i == number % SIZE else (number % 97) / 1000 * (i % 7) for i in range(SIZE)]


def rows(start: int, stop: int, value: int) -> list[dict[str, Any]]:
    return [{"id": i, "vector": vector(i), "payload": {"v": value}} for i in range(start, stop)]


@pytest.fixture
def filled(serving: Serving) -> Iterator[httpx.Client]:
    """Start a server that indexes early, and write enough for it to begin."""
    serving.settings = {"QDRANT_EDGE_OPTIMIZE_AFTER": str(POINTS)}
    serving.start()
    with httpx.Client(base_url=f"{serving.url}/collections", timeout=30) as client:
        body = {
            "vectors": {"size": SIZE, "distance": "Cosine"},
            "optimizers_config": {"indexing_threshold": 100},
        }
        client.put("/c", json=body).raise_for_status()
        for start in range(0, POINTS, 500):
            points = {"points": rows(start, start + 500, 0)}
            client.put("/c/points", json=points).raise_for_status()
        yield client


def info(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/c").json()["result"]
    return found


def until(client: httpx.Client, status: str) -> Iterator[int]:
    """Count rounds until the collection has a status."""
    deadline, round_ = time.monotonic() + PATIENCE_SECONDS, 0
    while info(client)["status"] != status:
        assert time.monotonic() < deadline, f"the collection never became {status}"
        round_ += 1
        yield round_


def values(client: httpx.Client) -> dict[int, int]:
    answer = client.post("/c/points/scroll", json={"limit": 100_000}).json()["result"]
    return {point["id"]: point["payload"]["v"] for point in answer["points"]}


def test_writes_and_deletions_during_indexing_are_in_the_result(filled: httpx.Client) -> None:
    expected = dict.fromkeys(range(POINTS), 0)
    for _ in until(filled, "yellow"):
        continue

    for step in until(filled, "green"):
        changed = {"points": rows(step, step + 20, step)}
        filled.put("/c/points", json=changed).raise_for_status()
        filled.post("/c/points/delete", json={"points": [POINTS - step]}).raise_for_status()
        hits = filled.post("/c/points/query", json={"query": vector(step), "limit": 1}).json()
        assert len(hits["result"]["points"]) == 1
        expected |= dict.fromkeys(range(step, step + 20), step)
        expected.pop(POINTS - step, None)
    found = values(filled)

    assert info(filled)["indexed_vectors_count"] > POINTS / 2
    assert found == expected


def test_a_kill_during_indexing_loses_nothing(serving: Serving, filled: httpx.Client) -> None:
    for _ in until(filled, "yellow"):
        continue
    filled.put("/c/points", json={"points": rows(0, 10, 7)}).raise_for_status()

    serving.kill()
    serving.start()
    found = values(filled)
    for _ in until(filled, "green"):
        continue

    assert found == dict.fromkeys(range(POINTS), 0) | dict.fromkeys(range(10), 7)
    assert values(filled) == found


def test_a_collection_deleted_during_indexing_is_gone(
    serving: Serving, filled: httpx.Client
) -> None:
    for _ in until(filled, "yellow"):
        continue

    filled.delete("/c").raise_for_status()
    status = serving.stop()

    assert status == 0
    serving.start()
    assert filled.get("/c").status_code == 404
    assert list((serving.directory / "shards").iterdir()) == []
