"""Each fault by its name: what is promised, done to a real app, and seen.

The rows R1 to R15 are those of the reliability matrix in docs/concepts/reliability.md.
"""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cgroup import why_no_limit
from tests.chaos.clock import clock_skew
from tests.chaos.killed import store_killed, up_interrupted
from tests.chaos.memory import out_of_memory
from tests.chaos.models import (
    model_away,
    model_fails,
    model_hangs,
    model_resets,
    model_slow_to_start,
    ranking_away,
)
from tests.chaos.names import names_gone, why_no_names
from tests.chaos.node import node_restarted
from tests.chaos.rolling import rolling_update
from tests.chaos.seen import Seen
from tests.chaos.store import (
    store_away,
    store_full,
    store_of_other_size,
    store_silent,
    store_slow,
    store_without_collection,
)
from tests.chaos.yard import Yard, is_right, seconds_until, yard
from tests.soak.__main__ import kill_and_count

Check = Callable[[Path, int], Seen]


@dataclass(frozen=True)
class Scenario:
    """One row; `scale` multiplies how much is done: 1 in CI, 10 in `make figures`.

    `lacking` tells why it cannot be run on a machine.
    """

    name: str
    row: str
    promise: str
    run: Check
    lacking: Callable[[], str | None] = lambda: None


def caller_gone(folder: Path, _scale: int) -> Seen:
    """A caller hangs up in the middle of a stream."""
    with yard(folder) as it:
        it.nim.token_delay = 0.2
        it.nim.answer = "The capital of Borduria is Szohod. " * 20
        body = {"question": "What is the capital of Borduria?", "stream": True}
        with it.app.client() as client, client.stream("POST", "/query/run", json=body) as reply:
            next(reply.iter_bytes())
            cut = it.nim.streams_cut
        ended = seconds_until(lambda: it.nim.streams_cut > cut, 5)
    return Seen(ended < 1, f"the model's call ended after {ended:.2f} s", {"ended_after": ended})


def disk_full(folder: Path, _scale: int) -> Seen:
    """The disk takes no more bytes."""
    with yard(folder) as it:
        it.app.stop()
        it.app.file_size_limit = 512 * 1024
        it.app.start()
        refused = it.app.upload(("large.txt", b"x " * 2**19))
        right = is_right(it.ask())
    kind = refused.json().get("type", "").rpartition(":")[2]
    kept = (refused.status_code, kind, right) == (507, "insufficient-storage", True)
    return Seen(kept, f"upload: {refused.status_code} {kind}, questions go on: {right}", {})


def stopped_under_load(folder: Path, scale: int) -> Seen:
    """SIGTERM while streams run: each ends whole, and the process with code 0."""
    with yard(folder) as it:
        it.nim.token_delay = 0.05
        it.nim.answer = "The capital of Borduria is Szohod. " * 6
        body = {"question": "What is the capital of Borduria?", "stream": True}

        def stream(_number: int) -> bool:
            with it.app.client() as client, client.stream("POST", "/query/run", json=body) as reply:
                begun.release()
                return reply.status_code == 200 and "[DONE]" in "".join(reply.iter_text())

        begun = threading.Semaphore(0)
        count = 10 * scale
        with ThreadPoolExecutor(count) as threads:
            streams = [threads.submit(stream, number) for number in range(count)]
            for _ in streams:
                assert begun.acquire(timeout=60)
            code = it.app.stop(signal.SIGTERM)
            whole = sum(each.result() for each in streams)
    return Seen(
        whole == count and code == 0,
        f"{whole} of {count} streams ended whole, exit code {code}",
        {"whole": whole / count},
    )


def too_many(folder: Path, scale: int) -> Seen:
    """Four times as many callers as the service takes at once."""
    with yard(folder, RAG_MAX_CONCURRENCY="8") as it:
        it.nim.token_delay = 0.01
        replies = it.many(100 * scale, at_once=32)
        back = seconds_until(lambda: is_right(it.ask()))
    refused = [each for each in replies if each.status_code in (429, 503)]
    polite = all("Retry-After" in each.headers for each in refused)
    right = sum(map(is_right, replies))
    kept = bool(refused) and polite and right + len(refused) == len(replies) and back < 2
    said = f"{right} answered, {len(refused)} told to come back, normal after {back:.1f} s"
    return Seen(kept, said, {"answered": right / len(replies), "back_after": back})


def killed_while_indexing(_folder: Path, scale: int) -> Seen:
    """kill -9 at random moments of an ingestion."""
    kills, documents = 3 * scale, 40 * scale
    found, sent = kill_and_count(kills, documents)
    counted = ", ".join(f"{count} {name}" for name, count in found.items())
    said = f"{kills} kills, {sent} documents: {counted}"
    return Seen(not any(found.values()), said, {"kills": kills, **found})


def long_run(folder: Path, scale: int) -> Seen:
    """Questions without a pause: memory stays where it is after as many."""
    with yard(folder) as it:
        count = 200 * scale
        it.many(count)  # caches and the collector's room are full after some thousand
        warm = resident_mib(it)
        right = sum(map(is_right, it.many(count)))
        grown = resident_mib(it) - warm
    per_1000 = grown / count * 1000
    kept = right == count and grown < 8
    said = f"{right} of {count} answered, {grown:+.1f} MiB"
    return Seen(kept, said, {"mib_per_1000_questions": per_1000})


def resident_mib(it: Yard) -> float:
    """Return the app's resident memory."""
    status = Path(f"/proc/{it.app.process.pid}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


SCENARIOS = (
    Scenario("model-fails", "R1", "10 % of calls 503: >= 99.5 % answered", model_fails),
    Scenario("model-resets", "R1", "10 % of calls reset: >= 99.5 % answered", model_resets),
    Scenario("model-hangs", "R2", "504 in time, search unaffected, back < 5 s", model_hangs),
    Scenario("model-away", "R3", "503 with stage and Retry-After, search goes on", model_away),
    Scenario(
        "model-slow-to-start",
        "R3",
        "503 with stage and Retry-After, search goes on, no restart",
        model_slow_to_start,
    ),
    Scenario("ranking-away", "R4", "answers without it that say so", ranking_away),
    Scenario("store-away", "R5", "503, named by /readyz, uploads wait, back < 5 s", store_away),
    Scenario("store-full", "R5", "questions go on, uploads wait for room and end", store_full),
    Scenario(
        "store-without-collection",
        "R5",
        "502 that says so, then all documents again by themselves, < 10 s, none doubled",
        store_without_collection,
    ),
    Scenario(
        "store-of-other-size",
        "R5",
        "no start, both sizes named, nothing changed",
        store_of_other_size,
    ),
    Scenario(
        "store-silent", "R11", "503 or 504 in time, named by /readyz, back < 5 s", store_silent
    ),
    Scenario("store-slow", "R11", "0.3 s slower: no more than 3 round trips", store_slow),
    Scenario("store-killed", "R6", "503 meanwhile, back < 5 s, 0 lost, 0 doubled", store_killed),
    Scenario(
        "node-restarted",
        "R6",
        "503 or no connection meanwhile, back < 10 s, 0 lost, 0 doubled",
        node_restarted,
    ),
    Scenario("disk-full", "R7", "uploads 507, questions go on", disk_full),
    Scenario(
        "out-of-memory",
        "R8",
        "what is too large is refused within 512 MiB; killed for memory: 0 lost, 0 doubled",
        out_of_memory,
        why_no_limit,
    ),
    Scenario("stopped-under-load", "R9", "every stream ends whole", stopped_under_load),
    Scenario("rolling-update", "R9", "0 requests fail, streams end whole", rolling_update),
    Scenario("caller-gone", "R10", "the model's call ends within 1 s", caller_gone),
    Scenario(
        "names-gone",
        "R11",
        "open connections go on; 503 with Retry-After without, back < 5 s",
        names_gone,
        why_no_names,
    ),
    Scenario("too-many", "R12", "answered or 429/503 with Retry-After, normal < 2 s", too_many),
    Scenario("killed-while-indexing", "R13", "0 lost, 0 doubled", killed_while_indexing),
    Scenario("up-interrupted", "R14", "the next up carries on, 0 orphans", up_interrupted),
    Scenario("clock-skew", "R15", "45 s of skew taken, 90 s refused", clock_skew),
    Scenario("long-run", "R15", "all answered, < 8 MiB more memory", long_run),
)
