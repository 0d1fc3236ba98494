"""What is killed in the middle and started again: the vector store, and `pulumi up`."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from unittest.mock import patch

import httpx

from stackyard.engine import MARK, Engine
from stackyard.project import Stack
from tests.app.process import until
from tests.chaos.seen import Seen
from tests.chaos.yard import is_right, seconds_until, yard
from tests.local.qdrant.serving import Serving
from tests.soak.__main__ import PAGES, text_of
from tests.stacks.doubles.driver import Driver
from tools import toolchain

FILES = 20  # uploaded before each kill
BEGUN = 4  # changes that an `up` has made before it is killed
LATE = 0.2  # seconds in which a change is made and not answered


def store_killed(folder: Path, scale: int) -> Seen:
    """kill -9 of the vector store while documents are written to it; it starts on its own data."""
    chance, kills = random.Random(1), 2 * scale
    jobs: dict[str, str] = {}
    refused, back = set(), 0.0
    store = Serving(folder / "store").start()
    try:
        with yard(folder, store_url=store.url) as it:
            for number in range(kills):
                names = [f"{number}-{each}.txt" for each in range(FILES)]
                reply = it.app.upload(*((name, text_of(name)) for name in names))
                jobs |= {each["name"]: each["id"] for each in reply.json()["jobs"]}
                time.sleep(chance.uniform(0.0, 0.6))
                store.kill()
                refused.add(it.ask().status_code)
                store.start()
                back = max(back, seconds_until(lambda: is_right(it.ask())))
            done = sum(it.app.job(each)["status"] == "done" for each in jobs.values())
            held = pages_in(store.url)
    finally:
        store.kill()
    lost = sum(len(set(held.get(name, []))) < PAGES for name in jobs)
    doubled = sum(len(pages) > PAGES for name, pages in held.items() if name in jobs)
    kept = refused == {503} and done == len(jobs) and not lost and not doubled and back < 5
    said = (
        f"{kills} kills: asked meanwhile {sorted(refused)}, back after {back:.1f} s;"
        f" {done} of {len(jobs)} documents done, {lost} lost, {doubled} doubled"
    )
    return Seen(kept, said, {"kills": kills, "lost": lost, "doubled": doubled, "back_after": back})


def pages_in(url: str) -> dict[str, list[int]]:
    """Return the pages of the chunks of each document, as Qdrant has them."""
    asked = {"limit": 10_000, "with_payload": True}
    reply = httpx.post(f"{url}/collections/documents/points/scroll", json=asked).raise_for_status()
    found: dict[str, list[int]] = {}
    for point in reply.json()["result"]["points"]:
        meta = point["payload"]["meta"]
        found.setdefault(meta["document"], []).append(meta["page"])
    return found


def up_interrupted(folder: Path, scale: int) -> Seen:
    """kill -9 of `pulumi up` in the middle, again and again; then one that ends, and a destroy.

    The engine is Pulumi's own; Kubernetes and the image builds are doubles that answer late, so
    that each kill finds changes which were made and are not in the state.
    """
    chance, wanted, kills = random.Random(1), 2 * scale, 0
    with patch.dict(os.environ, {"STACKYARD_HOME": str(folder / "home")}):
        toolchain.ensure(toolchain.DEPLOYING)
        driver = Driver("onprem", folder)
        driver.environment["DOUBLE_SECONDS"] = str(LATE)
        engine = Engine(Stack("onprem", driver.project), driver.environment)
        while kills < wanted and kill_an_up(driver, engine, chance.uniform(0.0, LATE)):
            kills += 1
            engine.carry_on(_quiet)
        engine.up(_quiet)
        made = {line["id"] for line in driver.lines() if line["method"] == "create"}
        driver.calls()
        driver.pulumi("preview", "--expect-no-changes")
        # What holds data is protected: the preview of a destroy stops it. Without one the engine
        # removes what is not protected before it comes to what is.
        driver.refused("destroy", "--yes")
        stopped = not driver.lines()
        engine.destroy(_quiet)
        gone = {line["id"] for line in driver.lines() if line["method"] == "delete"}
        left = len(engine.resources())
    kept = kills > 0 and stopped and gone == made and not left
    said = (
        f"{kills} kills, then an up that ends and a preview without changes; a destroy"
        f" {'stops' if stopped else 'does not stop'} at the data; unprotected, {len(gone)} of"
        f" {len(made)} objects are removed, {left} left in the state"
    )
    return Seen(kept, said, {"kills": kills, "orphans": len(made - gone)})


def kill_an_up(driver: Driver, engine: Engine, wait: float) -> bool:
    """Start an `up` and kill it in the middle; tell whether it did not end before."""
    enough = len(driver.lines()) + BEGUN
    with subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=driver.project,
        env={**driver.environment, MARK: str(engine.stack.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        until(lambda: process.poll() is not None or len(driver.lines()) >= enough, 600)
        time.sleep(wait)
        if process.poll() is not None:
            return False
        os.killpg(process.pid, signal.SIGKILL)
    return True


def _quiet(_line: str) -> None:
    return None
