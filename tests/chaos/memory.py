"""The app under a container's memory limit: what is too large for it, and its end by the kernel."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.app.process import AppProcess
from tests.chaos.cgroup import Cgroup, memory_limited
from tests.chaos.seen import Seen
from tests.chaos.yard import Yard, is_right, yard
from tests.pipelines.files import write_pdf
from tests.soak.__main__ import text_of, verdict

MIB = 2**20
LIMIT = 512 * MIB  # what the pod asks for; its limit is seven times this
LARGE = 200  # MiB of one question
PAGES = 10_000  # of one PDF; 5,000 are read
FILES = 20  # uploaded before each kill
# Goes in, and takes what is left and a little more.
BALLAST = """
import pathlib, sys
pathlib.Path(sys.argv[1]).write_text("0")
kept = []
while True:
    kept.append(b"x" * 2**23)
"""


def out_of_memory(folder: Path, scale: int) -> Seen:
    """Send what is too large, then let the kernel kill the app for want of memory as it indexes."""
    kills, chance = scale, random.Random(1)
    book = write_pdf(folder / "book.pdf", [["Pumps."]] * PAGES).read_bytes()
    accepted: dict[str, str] = {}
    ends = []
    with memory_limited(LIMIT) as group, yard(folder, group=group.entrance) as it:
        refused = (too_large(it), it.app.indexed("book.pdf", book)["status"])
        survived, peak = group.killed == 0, group.peak // MIB
        for number in range(kills):
            names = [f"{number}-{each}.txt" for each in range(FILES)]
            reply = it.app.upload(*((name, text_of(name)) for name in names))
            accepted |= {each["name"]: each["id"] for each in reply.json()["jobs"]}
            time.sleep(chance.uniform(0.0, 0.6))
            ends.append(kill_for_memory(group, it.app))
            it.app.start()
        killed = group.killed
        found = verdict(it.qdrant, {name: it.app.job(each) for name, each in accepted.items()})
        right = is_right(it.ask())
    kept = refused == (413, "refused") and survived and set(ends) == {-9} and killed >= kills
    counted = ", ".join(f"{count} {name}" for name, count in found.items())
    return Seen(
        kept and right and not any(found.values()),
        f"{LARGE} MiB question: {refused[0]}, {PAGES} pages: {refused[1]}, at most {peak} MiB;"
        f" {kills} kills by the kernel, {len(accepted)} documents: {counted}",
        {"peak_mib": peak, "kills": kills, **found},
    )


def too_large(it: Yard) -> int:
    """Ask a question of LARGE MiB that does not say how long it is; return the answer's status."""

    def pieces() -> Iterator[bytes]:
        yield b'{"question": "'
        for _ in range(LARGE):
            yield b"x" * MIB

    with it.app.client(timeout=120) as client:
        headers = {"Content-Type": "application/json"}
        return client.post("/query/run", content=pieces(), headers=headers).status_code


def kill_for_memory(group: Cgroup, app: AppProcess) -> int:
    """Take the memory away until the kernel has killed the app; return its exit code."""
    with subprocess.Popen([sys.executable, "-c", BALLAST, str(group.entrance)]) as ballast:
        try:
            app.process.wait(120)
        finally:
            ballast.kill()
    return app.stop()
