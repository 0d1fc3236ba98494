"""`python -m tests.soak KILLS DOCUMENTS`: kill an ingesting app at random moments, then count.

Not run by CI: 100 kills of 1,000 documents at a time take an hour. Keeps bench/results/soak.json.
The model and the vector store are the doubles of the integration tests; what is under test is the
app's journal, shelf and ids.
"""

import random
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.results import figure, keep, record, show
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess, until
from tests.fakes.nim import FakeNim

PAGES = 3
AT_ONCE = 100  # files in one upload
KILLED_WITHIN = 10  # a kill comes within this part of the chunks
PATIENCE = 600.0


def main(kills: int, documents: int) -> int:
    """Kill, count and keep the figures; 1 where anything is lost or doubled."""
    found, sent = kill_and_count(kills, documents)
    counts = {"kills": (kills, ""), "documents": (sent, ""), "documents at a time": (documents, "")}
    counts |= {name: (count, "documents") for name, count in found.items()}
    figures = {name: figure(count, unit) for name, (count, unit) in counts.items()}
    show(f"{kills} kills", figures)
    command = f"python -m tests.soak {kills} {documents}"
    print(f"written: {keep('soak', record(figures) | {'command': command})}")
    return 1 if any(found.values()) else 0


def kill_and_count(kills: int, documents: int) -> tuple[dict[str, int], int]:
    """Print one line a kill; return how many documents are not done, lost or doubled, and of all.

    Each kill comes while chunks are written: where too few are left, the next documents come.
    """
    chance = random.Random(1)
    with FakeNim() as nim, FakeQdrant() as qdrant, tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder), nim, qdrant).start()
        try:
            accepted: dict[str, str] = {}
            for number in range(1, kills + 1):
                ahead = chance.randrange(PAGES * documents // KILLED_WITHIN)
                if missing(qdrant, accepted) <= ahead:
                    accepted |= upload(app, len(accepted), documents)
                least = max(missing(qdrant, accepted) - ahead, 1)
                wait(qdrant, accepted, least)
                app.stop(signal.SIGKILL)
                left = missing(qdrant, accepted)
                app.start()
                print(f"kill {number}: {left} chunks to come", flush=True)
            wait(qdrant, accepted, 0)
            jobs_now = {name: app.job(job) for name, job in accepted.items()}
        finally:
            app.stop()
        return verdict(qdrant, jobs_now), len(accepted)


def upload(app: AppProcess, first: int, documents: int) -> dict[str, str]:
    """Send documents, AT_ONCE with each request, and return the job of each."""
    accepted: dict[str, str] = {}
    for start in range(first, first + documents, AT_ONCE):
        names = [f"{n}.txt" for n in range(start, min(start + AT_ONCE, first + documents))]
        jobs = app.upload(*((name, text_of(name)) for name in names)).json()["jobs"]
        accepted.update({job["name"]: job["id"] for job in jobs})
    return accepted


def wait(qdrant: FakeQdrant, accepted: Mapping[str, str], left: int) -> None:
    """Return when so many chunks or fewer are still to come."""
    until(lambda: missing(qdrant, accepted) <= left or None, PATIENCE)


def missing(qdrant: FakeQdrant, accepted: Mapping[str, str]) -> int:
    """Return how many chunks are still to come."""
    with qdrant.lock:
        there = qdrant.engine.collection_exists("documents")
        held = qdrant.engine.count("documents").count if there else 0
    return len(accepted) * PAGES - held


def verdict(qdrant: FakeQdrant, jobs: dict[str, dict[str, object]]) -> dict[str, int]:
    """Count what is not done, lost, or has too many chunks or two the same."""
    held = ids(qdrant)
    open_or_bad = [name for name, job in jobs.items() if job["status"] != "done"]
    lost = [name for name in jobs if len(held.get(name, [])) < PAGES]
    doubled = [
        name for name, pages in held.items() if len(pages) > PAGES or len(set(pages)) < len(pages)
    ]
    return {"not done": len(open_or_bad), "lost": len(lost), "doubled": len(doubled)}


def ids(qdrant: FakeQdrant) -> dict[str, list[int]]:
    """Return the pages of the chunks of each document."""
    with qdrant.lock:
        if not qdrant.engine.collection_exists("documents"):
            return {}
        points, _ = qdrant.engine.scroll("documents", limit=10**6)
    found: dict[str, list[int]] = {}
    for point in points:
        meta = (point.payload or {})["meta"]
        found.setdefault(meta["document"], []).append(meta["page"])
    return found


def text_of(name: str) -> bytes:
    """Return a document of PAGES pages, each of one chunk."""
    return "\f".join(f"Page {page} of {name} speaks of pumps." for page in range(PAGES)).encode()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
