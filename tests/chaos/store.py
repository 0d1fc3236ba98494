"""A vector store that is away, slow, unheard, full, of another size, or without its collection."""

import statistics
import subprocess
import sys
from pathlib import Path

import httpx

from tests.chaos.seen import Seen
from tests.chaos.yard import PLACES, WAIT, is_right, seconds_until, yard
from tests.local.qdrant.serving import Serving

FULL_MB = str(2**30)  # more than any disk has left


def store_away(folder: Path, _scale: int) -> Seen:
    """Nothing listens where Qdrant was; then it is there again."""
    with yard(folder) as it:
        it.store.become("away")
        refused = it.ask()
        named = it.missing()
        job = it.app.upload(("later.txt", b"The capital of Lutha is Lustadt.")).json()["jobs"][0]
        it.store.become("none")
        back = seconds_until(lambda: is_right(it.ask()))
        ended = it.app.job(job["id"])["status"]
    kept = refused.status_code == 503 and named == ["qdrant"] and back < 5 and ended == "done"
    asked = f"asked: {refused.status_code}, /readyz names {named}"
    said = f"{asked}, back after {back:.1f} s, upload {ended}"
    return Seen(kept, said, {"back_after": back})


def store_slow(folder: Path, scale: int) -> Seen:
    """Each request to Qdrant takes 0.3 s longer: answers do too, and no longer."""
    with yard(folder) as it:
        before = statistics.median(it.ask(n).elapsed.total_seconds() for n in range(5))
        it.store.become("slow")
        replies = [it.ask(n) for n in range(5 * scale)]
    after = statistics.median(each.elapsed.total_seconds() for each in replies)
    added = after - before
    kept = all(map(is_right, replies)) and added < 0.9
    return Seen(kept, f"{added:.2f} s added to each answer", {"added": added})


def store_silent(folder: Path, _scale: int) -> Seen:
    """Nothing that is sent to Qdrant arrives, and no connection ends: a partition."""
    with yard(folder, RAG_REQUEST_SECONDS="4") as it:
        it.store.become("silent")
        refused = it.ask()
        named = it.missing()
        it.store.become("none")
        back = seconds_until(lambda: is_right(it.ask()))
    took = refused.elapsed.total_seconds()
    kept = refused.status_code in (503, 504) and took < 8 and named == ["qdrant"] and back < 5
    said = (
        f"asked: {refused.status_code} after {took:.1f} s, /readyz names {named}, back after"
        f" {back:.1f} s"
    )
    return Seen(kept, said, {"refused_after": took, "back_after": back})


def store_full(folder: Path, _scale: int) -> Seen:
    """Qdrant's disk takes no more; then there is room again."""
    store = Serving(folder / "store").start()
    try:
        with yard(folder, store_url=store.url) as it:
            store.stop()
            store.settings = {"QDRANT_EDGE_MIN_FREE_MB": FULL_MB}
            store.start()
            job = it.app.upload(("later.txt", b"The capital of Lutha is Lustadt.")).json()
            right = is_right(it.ask())
            store.stop()
            store.settings = {}
            store.start()
            ended = it.app.job(job["jobs"][0]["id"])["status"]
    finally:
        store.kill()
    said = f"questions go on: {right}, the upload meanwhile: {ended} when there is room"
    return Seen(right and ended == "done", said, {})


def store_without_collection(folder: Path, _scale: int) -> Seen:
    """Qdrant comes back without the collection, as from another volume."""
    store = Serving(folder / "store").start()
    try:
        with yard(folder, store_url=store.url) as it:
            httpx.delete(f"{store.url}/collections/documents").raise_for_status()
            first = it.ask()
            later = it.app.indexed("later.txt", b"The capital of Lutha is Lustadt.")["status"]
            back = seconds_until(lambda: all(is_right(it.ask(n)) for n in range(len(PLACES))))
            chunks = seconds_until(lambda: _points(store) == len(PLACES) + 1) < WAIT
    finally:
        store.kill()
    told = "has no such collection" in first.text
    said = (
        f"asked: {first.status_code} that says so: {told}, an upload: {later}, all documents"
        f" cited again after {back:.1f} s, each chunk there once: {chunks}"
    )
    kept = (first.status_code, told, later, chunks) == (502, True, "done", True) and back < 10
    return Seen(kept, said, {"back_after": back})


def _points(store: Serving) -> int:
    url = f"{store.url}/collections/documents/points/count"
    counted = httpx.post(url, json={"exact": True}).raise_for_status().json()
    return int(counted["result"]["count"])


def store_of_other_size(folder: Path, _scale: int) -> Seen:
    """An app is started that embeds in vectors of another size than those which are stored."""
    with yard(folder) as it:
        it.app.stop()
        given = {**it.app.variables(), "RAG_EMBEDDING_DIMENSION": "768"}
        command = [sys.executable, "-m", "app"]
        other = subprocess.run(
            command, cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=240
        )
        it.app.start()
        right = is_right(it.ask())
    told = "768" in other.stderr and "384" in other.stderr and "hint:" in other.stderr
    said = f"exit code {other.returncode}, both sizes and what to do: {told}; as before: {right}"
    return Seen(other.returncode == 2 and told and right, said, {})
