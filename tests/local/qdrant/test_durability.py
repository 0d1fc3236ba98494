"""Nothing that was acknowledged is lost when the server is killed."""

import threading
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.local.qdrant.serving import Serving

SIZE = 8
WRITERS = 3
KEYS = 40
ACKNOWLEDGED_BEFORE_KILL = 120
DELETED = -1


@dataclass
class Writer:
    """Writes to keys of its own and remembers what it was promised."""

    url: str
    number: int
    enough: threading.Event
    counted: "Counted"
    wait: bool
    promised: dict[int, int] = field(default_factory=dict)
    attempted: dict[int, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for step in range(1, 100_000):
                try:
                    self.change(client, step)
                except httpx.TransportError:
                    return  # the server is gone, as planned

    def change(self, client: httpx.Client, step: int) -> None:
        keys = [self.number * 1000 + (step * 7 + i) % KEYS for i in range(1 + step % 5)]
        value = DELETED if step % 6 == 0 else step
        self.attempted = dict.fromkeys(keys, value)
        if value == DELETED:
            url, body = "delete", {"points": keys}
            answer = client.post(f"/collections/c/points/{url}", json=body, params=self.query)
        else:
            rows = [{"id": k, "vector": [1.0] * SIZE, "payload": {"v": value}} for k in keys]
            answer = client.put("/collections/c/points", json={"points": rows}, params=self.query)
        if answer.status_code != 200:
            self.refused.append(answer.text)
            return
        self.promised |= self.attempted
        self.attempted = {}
        self.counted.one_more(self.enough)

    @property
    def query(self) -> dict[str, str]:
        return {"wait": "true" if self.wait else "false"}

    def lost(self, found: dict[int, int]) -> list[tuple[int, int, int]]:
        """List keys that are neither as promised nor as in the one write under way."""
        wrong = []
        for key in self.promised:
            value = found.get(key, DELETED)
            if value not in (self.promised[key], self.attempted.get(key, self.promised[key])):
                wrong.append((key, value, self.promised[key]))
        return wrong


class Counted:
    """Counts acknowledgements over all writers."""

    def __init__(self, target: int) -> None:
        self._lock = threading.Lock()
        self._left = target

    def one_more(self, enough: threading.Event) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                enough.set()


def values(url: str) -> dict[int, int]:
    body = {"limit": 100_000, "with_payload": True}
    answer = httpx.post(f"{url}/collections/c/points/scroll", json=body, timeout=30).json()
    return {p["id"]: p["payload"]["v"] for p in answer["result"]["points"]}


def create(url: str, **more: Any) -> None:
    body = {"vectors": {"size": SIZE, "distance": "Cosine"}, **more}
    assert httpx.put(f"{url}/collections/c", json=body, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("wait", "optimize_after"), [(True, "1000000"), (False, "1000000"), (True, "30")]
)
def test_acknowledged_writes_survive_kill_9(
    serving: Serving, wait: bool, optimize_after: str
) -> None:
    serving.settings = {"QDRANT_EDGE_OPTIMIZE_AFTER": optimize_after}
    serving.start()
    create(serving.url)
    kept: dict[int, int] = {}

    for _ in range(3):
        enough, counted = threading.Event(), Counted(ACKNOWLEDGED_BEFORE_KILL)
        writers = [
            Writer(serving.url, number, enough, counted, wait, promised=dict(own))
            for number in range(WRITERS)
            for own in [{k: v for k, v in kept.items() if k // 1000 == number}]
        ]
        threads = [threading.Thread(target=writer.run) for writer in writers]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        serving.kill()
        for thread in threads:
            thread.join()
        serving.start()
        kept = values(serving.url)

        assert [writer.refused for writer in writers] == [[]] * WRITERS
        assert [writer.lost(kept) for writer in writers] == [[]] * WRITERS
        assert kept


def test_collections_aliases_and_indexes_survive_kill_9(serving: Serving) -> None:
    serving.start()
    create(serving.url, metadata={"owner": "test"})
    action = {"create_alias": {"collection_name": "c", "alias_name": "also"}}
    httpx.post(f"{serving.url}/collections/aliases", json={"actions": [action]})
    index = {"field_name": "meta.document_id", "field_schema": "keyword"}
    httpx.put(f"{serving.url}/collections/c/index", json=index)

    serving.kill()
    serving.start()
    info = httpx.get(f"{serving.url}/collections/also").json()["result"]

    assert info["payload_schema"]["meta.document_id"]["data_type"] == "keyword"
    assert info["config"]["params"]["vectors"] == {"size": SIZE, "distance": "Cosine"}
    assert info["config"]["metadata"] == {"owner": "test"}


def test_a_deleted_collection_stays_deleted_and_leaves_no_files(serving: Serving) -> None:
    serving.start()
    create(serving.url)
    httpx.delete(f"{serving.url}/collections/c")

    serving.kill()
    serving.start()

    assert httpx.get(f"{serving.url}/collections").json()["result"] == {"collections": []}
    assert list((serving.directory / "shards").iterdir()) == []


def test_what_a_crash_left_half_done_is_removed_at_the_next_start(serving: Serving) -> None:
    serving.start()
    create(serving.url)
    serving.kill()
    (serving.directory / "shards" / "halfway" / "segments").mkdir(parents=True)

    serving.start()

    assert len(list((serving.directory / "shards").iterdir())) == 1


def test_sigterm_stops_the_server_at_once_with_everything_kept(serving: Serving) -> None:
    serving.start()
    create(serving.url)
    rows = [{"id": 1, "vector": [1.0] * SIZE, "payload": {"v": 1}}]
    httpx.put(f"{serving.url}/collections/c/points", json={"points": rows})

    status = serving.stop()
    serving.start()

    assert status == 0
    assert values(serving.url) == {1: 1}
