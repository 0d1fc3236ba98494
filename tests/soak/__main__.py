"""`python -m tests.soak KILLS DOCUMENTS`: kill an ingesting app at random moments, then count.

Not run by CI: 100 kills of 1,000 documents take an hour. Keeps bench/results/soak.json. The model
and the vector store are the doubles of the integration tests; what is under test is the app's
journal, shelf and ids.
"""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.results import figure, keep, record, show
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

PAGES = 3
AT_ONCE = 100  # files in one upload
LONGEST_LIFE = 8.0


def main(kills: int, documents: int) -> int:
    """Kill, count and keep the figures; 1 where anything is lost or doubled."""
    found = kill_and_count(kills, documents)
    figures = {"kills": figure(kills, ""), "documents": figure(documents, "")}
    figures |= {name: figure(count, "documents") for name, count in found.items()}
    show(f"{kills} kills", figures)
    command = f"python -m tests.soak {kills} {documents}"
    print(f"written: {keep('soak', record(figures) | {'command': command})}")
    return 1 if any(found.values()) else 0


def kill_and_count(kills: int, documents: int) -> dict[str, int]:
    """Print one line a kill, and return how many documents are not done, lost or doubled."""
    chance = random.Random(1)
    with FakeNim() as nim, FakeQdrant() as qdrant, tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder), nim, qdrant).start()
        try:
            accepted: dict[str, str] = {}
            for first in range(0, documents, AT_ONCE):
                names = [f"{n}.txt" for n in range(first, min(first + AT_ONCE, documents))]
                jobs = app.upload(*((name, text_of(name)) for name in names)).json()["jobs"]
                accepted.update({job["name"]: job["id"] for job in jobs})
            for number in range(1, kills + 1):
                time.sleep(chance.uniform(0.0, LONGEST_LIFE))
                app.stop(signal.SIGKILL)
                app.start()
                print(f"kill {number}: {sum(map(len, ids(qdrant).values()))} chunks", flush=True)
            jobs_now = {name: app.job(job) for name, job in accepted.items()}
        finally:
            app.stop()
        return verdict(qdrant, jobs_now)


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
