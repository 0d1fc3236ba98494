"""Puts a bundle into a registry: checks it, pushes what is missing, and reads everything again."""

import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from infra.registry import Reference
from infra.registry import Registry as Place
from stackyard.bundle import signing
from stackyard.bundle.access import Access, Refused
from stackyard.bundle.checking import check
from stackyard.bundle.image_signatures import add_signature
from stackyard.bundle.layout import Layout, blobs_of, digest_of
from stackyard.bundle.lock import PUSHED, Item
from stackyard.bundle.manifest import NAME, RECORD_SIGNATURE, Manifest, read_manifest
from stackyard.bundle.places import bundle_place, place_of
from stackyard.bundle.record import add_record, record_claim
from stackyard.bundle.registry import Registry
from stackyard.bundle.transport import Skopeo
from stackyard.errors import Trouble
from tools.portable import command_of, find_skopeo

Tell = Callable[[str], None]
PARALLEL = 3  # runs of skopeo, each of which pushes several blobs at once
NOT_YET_SIGNED = 412
SEE_SIGNATURE_SECONDS = 20.0  # a registry may notice a new signature a little later


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A bundle on its way into a registry."""

    folder: Path
    place: Place
    access: Access
    key: ec.EllipticCurvePublicKey
    older: bool = False  # one older than what the site has may replace it


@dataclass
class Loaded:
    """What a load did."""

    manifest: Manifest
    pushed: list[str] = field(default_factory=list)  # keys of items that were not there
    bytes: int = 0  # of those items
    checked_seconds: float = 0.0  # signature and checksums
    pushed_seconds: float = 0.0
    read_seconds: float = 0.0

    def told(self) -> dict[str, object]:
        """Return it as `--json` prints it."""
        return {
            "stack": self.manifest.stack,
            "made": self.manifest.made,
            "pushed": sorted(self.pushed),
            "bytes": self.bytes,
            "seconds": {
                "check": round(self.checked_seconds, 2),
                "push": round(self.pushed_seconds, 2),
                "read": round(self.read_seconds, 2),
            },
        }


def load(delivery: Delivery, tell: Tell) -> Loaded:
    """Load a bundle. Raises Trouble at the first thing that is wrong; run it again to go on.

    What the registry has last is the record of the bundle, so a load that did not end is none.
    """
    start = time.monotonic()
    tell("checking signature and checksums")
    manifest = check(delivery.folder, delivery.key)
    done = Loaded(manifest, checked_seconds=time.monotonic() - start)
    layout = Layout(delivery.folder / "oci")
    with Registry(delivery.access) as registry, _skopeo(delivery) as skopeo:
        registry.check()
        _refuse_older(manifest, delivery, registry)
        start = time.monotonic()
        items = [item for item in manifest.items if item.kind in PUSHED]
        _refuse_gaps(manifest, items, layout, delivery, registry)
        _push(items, layout, manifest, delivery, registry, skopeo, done, tell)
        done.pushed_seconds = time.monotonic() - start
        start = time.monotonic()
        tell("reading every manifest again")
        read_again(items, manifest.signatures, layout, delivery.place, registry)
        done.read_seconds = time.monotonic() - start
        _record(manifest, delivery, registry, skopeo)
    return done


class _skopeo:
    """The skopeo that came with the bundle, or this machine's, ready to run."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._scratch = tempfile.TemporaryDirectory(prefix="stackyard-skopeo-")

    def __enter__(self) -> Skopeo:
        packed = self._delivery.folder / "tools/skopeo.tar"
        if not packed.is_file():
            return Skopeo([str(find_skopeo())], self._delivery.access)
        folder = Path(self._scratch.name)
        with tarfile.open(packed) as archive:
            if hasattr(tarfile, "data_filter"):  # not in Debian 12's Python
                archive.extraction_filter = staticmethod(tarfile.data_filter)
            archive.extractall(folder)
        return Skopeo(command_of(folder, "skopeo"), self._delivery.access)

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()


def _refuse_older(manifest: Manifest, delivery: Delivery, registry: Registry) -> None:
    installed = installed_bundle(manifest.stack, delivery.place, registry)
    if installed is not None and installed.serial > manifest.serial and not delivery.older:
        message = (
            f"the site has the bundle of {installed.made}, this one is of {manifest.made}: older"
        )
        raise Trouble(message, "--older loads it all the same, to go back")


def installed_bundle(stack: str, place: Place, registry: Registry) -> Manifest | None:
    """Return the manifest of the bundle that a registry has; None: none was loaded whole."""
    where = bundle_place(stack, place)
    try:
        found = registry.manifest(where.path, where.tag or stack)
    except Refused as error:
        if error.status == NOT_YET_SIGNED or error.status == 403:
            return None  # a project that is not there yet says so where it is pushed to
        raise
    if found is None:
        return None
    layer = json.loads(found[0])["layers"][0]
    return read_manifest(registry.blob(where.path, layer["digest"]), Path(str(where)))


def _refuse_gaps(
    manifest: Manifest,
    items: Sequence[Item],
    layout: Layout,
    delivery: Delivery,
    registry: Registry,
) -> None:
    """Refuse a bundle of differences at a site that does not have what it builds on."""
    absent = set(manifest.absent)
    if not absent:
        return
    for item in items:
        place = place_of(item, delivery.place)
        for blob in {b.digest for b in layout.tree(item.digest or "")} & absent:
            if not layout.path(blob).is_file() and not registry.has_blob(place.path, blob):
                message = f"{place.path} lacks {blob}, which this bundle of differences builds on"
                raise Trouble(message, "load the bundle before this one first, or a full one")


def _push(
    items: Sequence[Item],
    layout: Layout,
    manifest: Manifest,
    delivery: Delivery,
    registry: Registry,
    skopeo: Skopeo,
    done: Loaded,
    tell: Tell,
) -> None:
    total = sum(item.size or 0 for item in items)

    def one(item: Item) -> None:
        place = place_of(item, delivery.place)
        if not _is_there(item.digest or "", place, registry):
            skopeo.push(layout, item.digest or "", place)
            done.pushed.append(item.key)
            done.bytes += item.size or 0
        for digest in layout.manifests(item.digest or ""):
            signature = manifest.signatures.get(digest)
            if signature is None:
                continue
            beside = Reference(place.host, place.path, signing.signature_tag(digest))
            if not _is_there(signature, beside, registry):
                skopeo.push(layout, signature, beside)
        tell(f"{item.key}, {done.bytes / 1e6:.0f} of at most {total / 1e6:.0f} MB pushed")

    with ThreadPoolExecutor(PARALLEL) as pool:
        # the largest first: they decide when it ends
        for _ in pool.map(one, sorted(items, key=lambda each: -(each.size or 0))):
            pass


def _is_there(digest: str, place: Reference, registry: Registry) -> bool:
    """Tell whether a place holds a manifest of that digest already, under its tag too."""
    try:
        found = registry.manifest(place.path, place.tag or digest)
    except Refused as error:
        # asked for a signature, or for a project that is not there: the push says more
        if error.status in (NOT_YET_SIGNED, 401, 403):
            return False
        raise
    if found is None:
        return False
    return digest_of(found[0]) == digest


def read_again(
    items: Sequence[Item],
    signatures: dict[str, str],
    layout: Layout,
    place: Place,
    registry: Registry,
) -> None:
    """Compare every manifest in the registry with the bundle's, and ask for every blob.

    Raises Trouble that names the first difference.
    """
    wanted: list[tuple[str, str, str]] = []  # repository, name, and the digest that it must mean
    for item in items:
        where = place_of(item, place)
        if where.tag:
            wanted.append((where.path, where.tag, item.digest or ""))
        for digest in layout.manifests(item.digest or ""):
            wanted.append((where.path, digest, digest))
            if digest in signatures:
                found = signatures[digest]
                wanted.append((where.path, signing.signature_tag(digest), found))
                wanted.append((where.path, found, found))

    def one(each: tuple[str, str, str]) -> None:
        path, name, digest = each
        if _read_signed(registry, path, name) != layout.read(digest):
            message = f"{place.host}/{path}:{name} is not what the bundle has"
            raise Trouble(message, "somebody else wrote there; load the bundle again")
        for blob in blobs_of(layout.manifest(digest)) if name == digest else ():
            if not registry.has_blob(path, blob.digest):
                message = f"{place.host}/{path} lost the blob {blob.digest}"
                raise Trouble(message, "look at the registry's storage, then load it again")

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(one, wanted):
            pass


def _read_signed(registry: Registry, path: str, name: str) -> bytes | None:
    """Return a manifest's bytes; a registry that wants a signature first gets time to see it."""
    end = time.monotonic() + SEE_SIGNATURE_SECONDS
    while True:
        try:
            found = registry.manifest(path, name)
        except Refused as error:
            if error.status != NOT_YET_SIGNED or time.monotonic() > end:
                raise
            time.sleep(1)
            continue
        return found[0] if found else None


def _record(manifest: Manifest, delivery: Delivery, registry: Registry, skopeo: Skopeo) -> None:
    """Say in the registry which bundle it has; the last thing that is pushed."""
    place = bundle_place(manifest.stack, delivery.place)
    content, signed = (delivery.folder / NAME).read_bytes(), delivery.folder / RECORD_SIGNATURE
    with tempfile.TemporaryDirectory(prefix="stackyard-record-") as scratch:
        layout = Layout(Path(scratch))
        layout.make()
        made = add_record(layout, content)
        if not _is_there(made.digest, place, registry):
            skopeo.push(layout, made.digest, place)
        if signed.is_file():
            signature = add_signature(layout, record_claim(content), signed.read_text().strip())
            beside = Reference(place.host, place.path, signing.signature_tag(made.digest))
            if not _is_there(signature.digest, beside, registry):
                skopeo.push(layout, signature.digest, beside)
