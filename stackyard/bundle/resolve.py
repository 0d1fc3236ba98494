"""Finds the digests and sizes that a lock lacks, at the public registries or a mirror of them."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from infra.registry import Reference, parse, rewrite
from infra.registry import Registry as Place
from stackyard.bundle import artefacts, packing
from stackyard.bundle.access import access_from
from stackyard.bundle.inventory import BUILT_HOST
from stackyard.bundle.layout import INDEXES, blobs_of, digest_of, media_type
from stackyard.bundle.lock import Item, Lock
from stackyard.bundle.registry import Registry
from stackyard.errors import Trouble

ALL = "all"
PARALLEL = 6


@dataclass
class Sources:
    """Where things come from on the connected side; close it after use."""

    mirror: Place | None = None  # in place of every public registry
    built: Place | None = None  # where images of ours were pushed to
    built_tags: dict[str, str] = field(default_factory=dict)  # image of ours -> its tag there
    models: Path | None = None  # a folder of files for each model, by role
    authfile: Path | None = None
    ca: Path | None = None
    charts: dict[str, Path] = field(default_factory=dict)  # name -> archive at hand
    _open: dict[str, Registry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def registry(self, host: str) -> Registry:
        """Return the registry of a host, over connections that are shared."""
        with self._lock:
            if host not in self._open:
                access = access_from(host, authfile=self.authfile, ca=self.ca)
                self._open[host] = Registry(access)
            return self._open[host]

    def place(self, item: Item) -> Reference | None:
        """Return where an image is to be had; None: it is ours and no registry was named."""
        reference = parse(item.reference)
        if reference.host == BUILT_HOST:
            if self.built is None:
                return None
            return self.built.reference(reference.path, self.built_tags.get(item.name))
        return parse(rewrite(item.reference, self.mirror))

    def close(self) -> None:
        for registry in self._open.values():
            registry.close()


def resolve(lock: Lock, sources: Sources, tell: Callable[[str], None]) -> tuple[Lock, list[str]]:
    """Return the lock with every digest that could be found, and why the others could not."""
    problems: list[str] = []

    def one(item: Item) -> Item:
        if item.resolved and item.size is not None:
            return item
        try:
            found = _resolved(item, sources)
        except (Trouble, httpx.HTTPError) as error:
            problems.append(f"{item.key}: {str(error).partition(chr(10))[0]}")
            return item
        tell(item.key)
        return found

    with ThreadPoolExecutor(PARALLEL) as pool:
        items = tuple(pool.map(one, lock.items))
    return lock.model_copy(update={"items": items}), sorted(problems)


def _resolved(item: Item, sources: Sources) -> Item:
    if item.kind == "image":
        return _image(item, sources)
    if item.kind == "chart":
        manifest, config = artefacts.chart_manifest(content := chart_archive(item, sources))
        size = len(manifest) + len(config) + len(content)
        return item.model_copy(update={"digest": digest_of(manifest), "size": size})
    if item.kind == "model":
        missing = artefacts.models_missing([item], sources.models)
        if missing or sources.models is None:
            raise Trouble(missing[0].partition(": ")[2], "--models FOLDER")
        manifest, files = artefacts.model_manifest(sources.models / item.name, item)
        size = len(manifest) + sum(f.stat().st_size for f in files)
        return item.model_copy(update={"digest": digest_of(manifest), "size": size})
    if item.kind in ("tool", "plugin"):
        packed = packing.packed(item)
        return item.model_copy(update={"digest": packed.digest, "size": packed.size})
    message = f"{item.reference} has no hash in uv.lock"
    raise Trouble(message, "uv lock")


def _image(item: Item, sources: Sources) -> Item:
    place = sources.place(item)
    if place is None:
        message = "is built here, and no registry was named that has it"
        raise Trouble(message, "stackyard bundle lock --built HOST/PREFIX")
    registry = sources.registry(place.host)
    found = registry.manifest(place.path, item.digest or place.digest or place.tag or "latest")
    if found is None:
        message = f"{place} is not there"
        raise Trouble(message, "check the reference, or log in: docker login")
    content, kind = found
    digest, platform = digest_of(content), item.platform
    manifest = json.loads(content)
    if (kind or media_type(manifest)) in INDEXES:
        children = [c for c in manifest["manifests"] if _is_platform(c)]
        if item.digest or place.digest:
            platform = ALL  # pinned by the index's digest: all that it names must travel
        else:
            child = next((c for c in children if _platform(c) == item.platform), None)
            if child is None:
                message = f"{place} has no {item.platform}"
                raise Trouble(message, "use an image that has")
            digest = child["digest"]
            content, manifest = _read(registry, place, digest)
            children = []
        sizes = {c["digest"]: c["size"] for c in manifest.get("manifests", [])}
        for each in manifest.get("manifests", []):
            _, inner = _read(registry, place, each["digest"])
            sizes |= {blob.digest: blob.size for blob in blobs_of(inner)}
    else:
        sizes = {}
    sizes |= {blob.digest: blob.size for blob in blobs_of(manifest)}
    size = len(content) + sum(sizes.values())
    return item.model_copy(update={"digest": digest, "platform": platform, "size": size})


def _read(registry: Registry, place: Reference, digest: str) -> tuple[bytes, dict[str, object]]:
    found = registry.manifest(place.path, digest)
    if found is None:
        message = f"{place.host}/{place.path}@{digest} is not there, though its index names it"
        raise Trouble(message, "the registry's copy is damaged; take another source: --mirror")
    return found[0], json.loads(found[0])


def _platform(child: dict[str, dict[str, str]]) -> str:
    told = child.get("platform", {})
    return f"{told.get('os')}/{told.get('architecture')}"


def _is_platform(child: dict[str, dict[str, str]]) -> bool:
    return _platform(child) != "unknown/unknown"  # attestations


def chart_archive(item: Item, sources: Sources) -> bytes:
    """Return a chart's .tgz: at hand, of a registry, or of a repository of charts."""
    name, _, version = item.reference.rpartition(":")
    at_hand = sources.charts.get(item.name)
    if at_hand is None and item.reference.endswith(".tgz"):
        at_hand = Path(item.reference)
    if at_hand is not None:
        try:
            return at_hand.read_bytes()
        except OSError as error:
            message = f"{at_hand} cannot be read: {error.strerror}"
            raise Trouble(message, f"--chart {item.name}=FILE") from None
    if name.startswith("oci://"):
        place = parse(rewrite(f"{name.removeprefix('oci://')}:{version}", sources.mirror))
        return _oci_chart(place, sources)
    repository, _, chart = name.rpartition("/")
    with httpx.Client(timeout=30, follow_redirects=True) as client:
        try:
            index = client.get(f"{repository}/index.yaml")
            index.raise_for_status()
            entries = yaml.safe_load(index.text)["entries"].get(chart, [])
            entry = next((e for e in entries if e["version"] == version), None)
            if entry is None:
                message = f"{repository} has no {chart} {version}"
                raise Trouble(message, "helm search repo --versions")
            answer = client.get(str(httpx.URL(f"{repository}/").join(entry["urls"][0])))
            answer.raise_for_status()
        except httpx.HTTPError as error:
            message = f"{repository} does not answer: {error}"
            raise Trouble(message, f"--chart {item.name}=FILE, got by helm pull") from None
    return answer.content


def chart_or_none(item: Item, sources: Sources) -> bytes | None:
    """Return a chart's archive; None where it cannot be had, which `resolve` then explains."""
    try:
        return chart_archive(item, sources)
    except Trouble:
        return None


def _oci_chart(place: Reference, sources: Sources) -> bytes:
    registry = sources.registry(place.host)
    found = registry.manifest(place.path, place.digest or place.tag or "latest")
    layers = json.loads(found[0])["layers"] if found else []
    layer = next((e for e in layers if e["mediaType"] == artefacts.CHART_CONTENT), None)
    if layer is None:
        message = f"{place} is not a Helm chart"
        raise Trouble(message, "check gpuOperator.chart")
    return registry.blob(place.path, layer["digest"])


def built_tags() -> dict[str, str]:
    """Return the tag that each image of ours has where this machine pushes it."""
    from infra.catalog import PYTHON
    from infra.images.recipe import RECIPES, content_hash
    from infra.machine import load_machine

    base = load_machine().base_image or PYTHON
    return {name: content_hash(recipe, base) for name, recipe in RECIPES.items()}
