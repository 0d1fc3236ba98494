"""Fetches the wheels of a bundle, and packs its tools and plugins, as the lock has them."""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from stackyard.bundle import packing
from stackyard.bundle.layout import sha256_of
from stackyard.bundle.lock import Item, Lock
from stackyard.bundle.moved import Moved
from stackyard.bundle.resolve import PARALLEL
from stackyard.errors import Trouble

FOLDERS = {"wheel": "wheels", "tool": "tools", "plugin": "plugins"}  # of a bundle, by kind


def file_of(item: Item) -> str:
    """Return the path of an item's file in a bundle."""
    name = item.reference if item.kind == "wheel" else f"{item.name}.tar"
    return f"{FOLDERS[item.kind]}/{name}"


def files_that_travel(items: Iterable[Item], since: Lock | None) -> list[Item]:
    """Return the items that are files, but for those of a lock that the site has."""
    site = {each.digest for each in since.items} if since else set()
    return [item for item in items if item.kind in FOLDERS and item.digest not in site]


def fetch_files(
    folder: Path, items: Iterable[Item], moved: Moved, tell: Callable[[str], None]
) -> None:
    """Put files into a bundle; what is there and whole stays. Raises Trouble for another file."""

    def provide(item: Item) -> None:
        target = folder / file_of(item)
        if target.is_file() and sha256_of(target) == item.digest:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.new")
        if item.kind == "wheel":
            _download(item, draft)
        else:
            shutil.copyfile(packing.packed(item).path, draft)
        if sha256_of(draft) != item.digest:
            draft.unlink()
            message = f"{item.key} is another file than the lock says"
            raise Trouble(message, "stackyard bundle lock, if that is as it should be")
        moved.add(draft.stat().st_size, blobs=1)
        draft.replace(target)
        tell(item.key)

    with ThreadPoolExecutor(PARALLEL) as pool:
        for _ in pool.map(provide, items):
            pass


def _download(item: Item, draft: Path) -> None:
    try:
        with (
            httpx.stream("GET", item.url or "", timeout=60, follow_redirects=True) as answer,
            draft.open("wb") as file,
        ):
            answer.raise_for_status()
            for piece in answer.iter_bytes(1 << 20):
                file.write(piece)
    except httpx.HTTPError as error:
        message = f"{item.reference} was not downloaded: {error}"
        raise Trouble(message, "run the same command again, it carries on from here") from None
