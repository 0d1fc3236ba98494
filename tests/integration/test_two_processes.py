"""Two apps on one data folder: what one is told holds in the other, and either goes on alone."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.sharing.locks import FileLock
from stackyard.auditing import problems, read_chains
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess, until
from tests.fakes.nim import FakeNim
from tests.soak.__main__ import text_of, verdict

pytestmark = pytest.mark.integration
Pair = tuple[AppProcess, AppProcess]


def leads(app: AppProcess) -> bool:
    with app.client() as client:
        return "rag_leads 1" in client.get("/metrics").text


def cites(client: httpx.Client, question: str, document: str) -> bool:
    answer = client.post("/query/run", json={"question": question}).raise_for_status().json()
    return document in [citation["document_id"] for citation in answer["citations"]]


def is_held(path: Path) -> bool:
    lock = FileLock(path)
    try:
        return not lock.take()
    finally:
        lock.close()


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, nim: FakeNim, qdrant: FakeQdrant
) -> Iterator[Pair]:
    """Return the one that leads, and the other."""
    folder = tmp_path_factory.mktemp("pair")
    first, second = (AppProcess(folder, nim, qdrant) for _ in range(2))
    try:
        yield first.start(), second.start()
    finally:
        first.stop()
        second.stop()


def test_one_leads_and_both_answer(pair: Pair) -> None:
    first, second = pair
    assert (leads(first), leads(second)) == (True, False)

    job = second.indexed("oz.txt", b"The capital of Oz is the Emerald City.")

    assert job["status"] == "done"
    for app in pair:
        assert "Emerald" in str(app.ask("What is the capital of Oz?")["answer"])


def test_a_job_is_followed_where_it_is_not_done(pair: Pair) -> None:
    _, second = pair
    job = second.upload(("event.txt", b"The bridge of Oz is made of glass.")).json()["jobs"][0]

    events = f"/v1/jobs/{job['id']}/events"
    with second.client() as client, client.stream("GET", events) as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]

    assert json.loads(lines[-1].removeprefix("data: "))["status"] == "done"


def test_a_revoked_key_is_refused_by_the_other_at_once(pair: Pair) -> None:
    for told, asked in (pair, pair[::-1]):
        with told.client() as admin:
            made = admin.post("/v1/keys", json={"subject": "eve", "role": "reader"}).json()
            with asked.client(made["key"]) as eve:
                assert eve.get("/v1/me").status_code == 200
                admin.delete(f"/v1/keys/{made['id']}").raise_for_status()
                assert eve.get("/v1/me").status_code == 401


def test_who_may_read_and_what_is_deleted_holds_in_the_other_at_once(pair: Pair) -> None:
    question = "Who guards the vault of Evallonia?"
    for told, asked in (pair, pair[::-1]):
        job = told.indexed("vault.txt", b"The vault of Evallonia is guarded by Anna.")
        document = str(job["document_id"])
        with told.client() as admin:
            key = admin.post("/v1/keys", json={"subject": "bob", "role": "reader"}).json()["key"]
            with asked.client(key) as bob:
                assert cites(bob, question, document)
                readers = f"/v1/documents/{document}/readers"
                admin.put(readers, json={"readers": []}).raise_for_status()
                assert not cites(bob, question, document)
                assert bob.get(f"/v1/documents/{document}").status_code == 404
                admin.put(readers, json={"readers": ["everyone"]}).raise_for_status()
                # Who comes in waits for the chunks; who goes out does not.
                until(lambda: cites(bob, question, document) or None)  # noqa: B023
                admin.delete(f"/v1/documents/{document}").raise_for_status()
                assert not cites(bob, question, document)


def test_a_backup_of_one_waits_for_the_job_of_the_other(pair: Pair, qdrant: FakeQdrant) -> None:
    first, second = pair
    qdrant.slow_writes.clear()
    qdrant.writing.clear()
    taken: list[int] = []

    def take() -> None:
        with second.client(timeout=120) as client:
            taken.append(client.post("/v1/backup").status_code)

    try:
        job = first.upload(("slow.txt", b"The river of Oz is slow.")).json()["jobs"][0]
        assert qdrant.writing.wait(20)
        backup = threading.Thread(target=take)
        backup.start()
        until(lambda: is_held(first.directory / "data/locks/gate") or None)
        with first.client() as client:
            assert client.post("/v1/backup").status_code == 409
        assert first.job(job["id"], closed=False)["status"] == "running"
        assert taken == []
    finally:
        qdrant.slow_writes.set()
    backup.join(60)

    assert taken == [200]
    assert first.job(job["id"])["status"] == "done"


def test_a_killed_leader_leaves_nothing_undone_and_no_line_unseen(
    pair: Pair, qdrant: FakeQdrant
) -> None:
    first, second = pair
    names = [f"{number}.txt" for number in range(30)]
    jobs = second.upload(*((name, text_of(name)) for name in names)).json()["jobs"]
    until(lambda: qdrant.chunks("documents", "3.txt") or None)

    first.stop(signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: leads(second) or None)
    took = time.monotonic() - killed
    ended = {job["name"]: second.job(job["id"]) for job in jobs}

    assert took < 30  # half a second where nothing else runs
    assert {job["status"] for job in ended.values()} == {"done"}
    found = verdict(qdrant, ended)
    assert (found["not done"], found["lost"]) == (0, 0)
    assert not [name for name in ended if qdrant.chunks("documents", name) != 3]
    until(lambda: '"follows":"' in "".join(second.output) or None)
    before, after = (
        [line for line in app.output if '"event":"audit"' in line] for app in (first, second)
    )
    assert problems(read_chains([*before, *after])) == []
    (cut,) = problems(read_chains([*before[:-1], *after]))
    assert "missing at the end" in cut
