"""What is killed in the middle and started again: the vector store."""

import random
import time
from pathlib import Path

import httpx

from tests.chaos.seen import Seen
from tests.chaos.yard import is_right, seconds_until, yard
from tests.local.qdrant.serving import Serving
from tests.soak.__main__ import PAGES, text_of

FILES = 20  # uploaded before each kill


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
