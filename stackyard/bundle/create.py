"""Makes a bundle: fetches what the lock says into one folder, lists its software, signs it."""

import errno
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from infra.registry import Reference
from stackyard.bundle import artefacts, papers, signing
from stackyard.bundle.fetching import FOLDERS, fetch_files, file_of, files_that_travel
from stackyard.bundle.image_signatures import sign_images
from stackyard.bundle.layout import (
    Blob,
    Layout,
    blobs_of,
    media_type,
)
from stackyard.bundle.lock import PUSHED, Item, Lock
from stackyard.bundle.manifest import NAME, PUBLIC_KEY, RECORD_SIGNATURE, SIGNATURE, Manifest
from stackyard.bundle.moved import Moved
from stackyard.bundle.record import record_claim
from stackyard.bundle.resolve import PARALLEL, Sources, chart_archive
from stackyard.bundle.software import list_software, short_digest
from stackyard.errors import Trouble

Tell = Callable[[str], None]
SPARE = 1 << 28  # bytes that stay free on the disk


@dataclass(frozen=True)
class Wanted:
    """A blob that is not here yet, and the repository that has it."""

    blob: Blob
    place: Reference


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made: `since` is a lock whose blobs the site has; `left_out` are keys."""

    lock: Lock
    folder: Path
    sources: Sources
    key: ec.EllipticCurvePrivateKey | None = None
    since: Lock | None = None
    left_out: Sequence[str] = ()
    software_lists: bool = True


def create(order: Order, tell: Tell) -> tuple[Manifest, Moved]:
    """Fill the folder; what is there already and whole is not fetched again.

    Raises Trouble before anything is fetched where something of the lock cannot be had.
    """
    try:
        return _create(order, tell)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        message = f"{order.folder}: the disk is full"
        hint = "free space there and run the same command again, it goes on; or -o on another disk"
        raise Trouble(message, hint) from None


def _create(order: Order, tell: Tell) -> tuple[Manifest, Moved]:
    items = _wanted_items(order)
    layout = Layout(order.folder / "oci")
    layout.make()
    (order.folder / NAME).unlink(missing_ok=True)  # half a bundle is none
    moved = Moved()
    absent = _blobs_at_the_site(order, layout)
    _images(order, items, layout, absent, moved, tell)
    _artefacts(order, items, layout, moved, absent)
    fetch_files(order.folder, files_that_travel(items, order.since), moved, tell)
    named = {
        item.name if item.kind == "image" else f"{item.kind}-{item.name}": _named(item, layout)
        for item in items
        if item.kind in PUSHED and layout.path(item.digest or "").is_file()
    }
    signatures = sign_images(order.key, items, layout) if order.key is not None else {}
    layout.write_index(named)
    if order.software_lists:
        list_software(order.folder, items, layout, tell)
    _drop_strangers(order, items, layout, signatures, absent)
    places = order.sources.place
    manifest = papers.write(
        order.folder, order.lock, items, signatures, sorted(absent), places, tell
    )
    _sign(order, manifest)
    return manifest, moved


def _wanted_items(order: Order) -> list[Item]:
    unknown = set(order.left_out) - {item.key for item in order.lock.items}
    if unknown:
        message = f"--without names {', '.join(sorted(unknown))}, which the lock does not have"
        raise Trouble(message, "stackyard bundle list shows kind and name")
    items = [item for item in order.lock.items if item.key not in order.left_out]
    missing = artefacts.models_missing(
        [item for item in items if item.kind == "model"], order.sources.models
    )
    if missing:
        raise Trouble("\n".join(missing), "--models FOLDER with a folder for each role")
    unresolved = [item.key for item in items if not item.resolved]
    if unresolved:
        message = f"the lock has no digest for {', '.join(unresolved)}"
        raise Trouble(message, f"stackyard bundle lock, or --without {unresolved[0]}")
    return items


def _blobs_at_the_site(order: Order, layout: Layout) -> set[str]:
    """Return the digests of the layers that the site has from the lock `since`.

    Configs travel always: skopeo reads the one of what it pushes, whatever the registry has.
    """
    found: set[str] = set()
    for item in order.since.of(*PUSHED) if order.since else []:
        if item.digest is None:
            continue
        if not layout.path(item.digest).is_file() and item.kind == "image":
            place = order.sources.place(item)
            if place is not None:
                _manifests(order.sources, place, item.digest, layout)
        if layout.path(item.digest).is_file():
            for digest in layout.manifests(item.digest):
                found |= {each["digest"] for each in layout.manifest(digest).get("layers", [])}
    return found


def _images(
    order: Order,
    items: Sequence[Item],
    layout: Layout,
    absent: set[str],
    moved: Moved,
    tell: Tell,
) -> None:
    wanted: dict[str, Wanted] = {}
    for item in items:
        if item.kind != "image" or item.digest is None:
            continue
        place = order.sources.place(item)
        if place is None:
            message = f"{item.key} is built here, and no registry was named that has it"
            raise Trouble(message, "stackyard bundle create --built HOST/PREFIX")
        for blob in _manifests(order.sources, place, item.digest, layout):
            if blob.digest not in absent and not layout.has(blob):
                wanted.setdefault(blob.digest, Wanted(blob, place))
    moved.total += sum(each.blob.size for each in wanted.values())
    _check_space(order.folder, moved.total + _copied(order, items, layout))

    def fetch(each: Wanted) -> None:
        registry = order.sources.registry(each.place.host)
        registry.fetch_blob(each.place.path, each.blob, layout.path(each.blob.digest), count)
        moved.add(0, blobs=1)

    def count(size: int) -> None:
        moved.add(size)
        tell(moved.line())

    # the largest first: they decide when it ends
    largest = sorted(wanted.values(), key=lambda each: -each.blob.size)
    with ThreadPoolExecutor(PARALLEL) as pool:
        for _ in pool.map(fetch, largest):
            pass


def _copied(order: Order, items: Sequence[Item], layout: Layout) -> int:
    """Return the bytes of files and models that are not in the folder yet.

    Of models none where the site has an earlier bundle: it may have nearly all of their files.
    """
    files = files_that_travel(items, order.since)
    missing = [item for item in files if not (order.folder / file_of(item)).is_file()]
    if order.since is None:
        models = [item for item in items if item.kind == "model"]
        missing += [item for item in models if not layout.path(item.digest or "").is_file()]
    return sum(item.size or 0 for item in missing)


def _manifests(sources: Sources, place: Reference, digest: str, layout: Layout) -> list[Blob]:
    """Put a manifest and its children into the layout; return the blobs that they name."""
    if not layout.path(digest).is_file():
        found = sources.registry(place.host).manifest(place.path, digest)
        if found is None:
            message = f"{place.host}/{place.path}@{digest} is not there any more"
            raise Trouble(message, "stackyard bundle lock finds what is there now")
        layout.add(found[0])
    manifest = layout.manifest(digest)
    blobs = list(blobs_of(manifest))
    for child in manifest.get("manifests", []):
        blobs += _manifests(sources, place, child["digest"], layout)
    return blobs


def _artefacts(
    order: Order, items: Iterable[Item], layout: Layout, moved: Moved, absent: set[str]
) -> None:
    for item in items:
        if item.kind not in ("chart", "model") or item.digest is None:
            continue
        whole = layout.path(item.digest).is_file() and all(
            layout.has(blob) or blob.digest in absent for blob in layout.tree(item.digest)
        )
        if whole:
            continue
        if item.kind == "chart":
            made = artefacts.add_chart(layout, chart_archive(item, order.sources))
        else:
            folder = (order.sources.models or Path()) / item.name
            made = artefacts.add_model(layout, folder, item, absent)
        if made.digest != item.digest:
            message = f"{item.key} is {made.digest} now, the lock says {item.digest}"
            raise Trouble(message, "stackyard bundle lock, if that is as it should be")
        moved.add(item.size or 0, blobs=1)


def _named(item: Item, layout: Layout) -> tuple[Blob, str]:
    digest = item.digest or ""
    size = layout.path(digest).stat().st_size
    return Blob(digest, size), media_type(layout.manifest(digest))


def _drop_strangers(
    order: Order,
    items: Sequence[Item],
    layout: Layout,
    signatures: dict[str, str],
    absent: set[str],
) -> None:
    """Remove what an earlier bundle in the same folder left, and half-fetched files."""
    kept: set[str] = set()
    roots = [i.digest for i in items if i.kind in PUSHED and i.digest] + list(signatures.values())
    for digest in roots:
        if layout.path(digest).is_file():
            kept |= {digest, *(blob.digest for blob in layout.tree(digest))}
    for path in (layout.folder / "blobs/sha256").iterdir():
        if f"sha256:{path.name}" not in kept - absent:
            path.unlink()
    wanted = {file_of(i) for i in files_that_travel(items, order.since)} | {
        f"sbom/{i.name}-{short_digest(i)}.spdx.json" for i in items if i.kind == "image"
    }
    for part in (*FOLDERS.values(), "sbom"):
        for path in (order.folder / part).glob("*"):
            if f"{part}/{path.name}" not in wanted and not path.name.startswith("stackyard-"):
                path.unlink()


def _check_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + SPARE:
        message = f"{folder} has {free / 1e9:.1f} GB free, {wanted / 1e9:.1f} GB are to be fetched"
        raise Trouble(message, "-o DIR on another disk; what is fetched already can be copied")


def _sign(order: Order, manifest: Manifest) -> None:
    content = (order.folder / NAME).read_bytes()
    for name in (SIGNATURE, PUBLIC_KEY, RECORD_SIGNATURE):
        (order.folder / name).unlink(missing_ok=True)
    if order.key is not None:
        (order.folder / SIGNATURE).write_text(signing.sign(order.key, content))
        record = signing.sign(order.key, record_claim(content))
        (order.folder / RECORD_SIGNATURE).write_text(record)
        (order.folder / PUBLIC_KEY).write_bytes(signing.public_text(order.key))
