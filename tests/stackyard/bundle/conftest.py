"""A public registry and a site's, both real, and images that are small and share layers."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.registry import parse
from stackyard.bundle import signing
from stackyard.bundle.access import Access
from stackyard.bundle.layout import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MANIFEST,
    Blob,
    Layout,
    descriptor,
)
from stackyard.bundle.lock import Item, Lock, ordered, write_lock
from stackyard.bundle.transport import Skopeo
from tests.stackyard.bundle.real_registry import RealRegistry
from tests.stackyard.conftest import Invoke
from tools.portable import find_skopeo

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """The registry that plays the public ones."""
    with RealRegistry(tmp_path_factory.mktemp("outside")) as registry:
        yield registry


def noise(size: int, seed: int) -> bytes:
    """Return bytes that no compression makes smaller; layers need not be tars to travel."""
    return random.Random(seed).randbytes(size)


class Factory:
    """Makes images in a layout and pushes them to the public registry by skopeo."""

    def __init__(self, folder: Path, registry: RealRegistry) -> None:
        self.layout = Layout(folder)
        self.layout.make()
        self.registry = registry

    def image(self, layers: Sequence[bytes], *, docker: bool = False) -> Blob:
        kinds = (DOCKER_CONFIG, DOCKER_LAYER) if docker else (OCI_CONFIG, OCI_LAYER)
        blobs = [self.layout.add(layer) for layer in layers]
        told = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}}
        told["rootfs"] = {"type": "layers", "diff_ids": [blob.digest for blob in blobs]}
        config = self.layout.add(json.dumps(told).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
            "config": descriptor(config, kinds[0]),
            "layers": [descriptor(blob, kinds[1]) for blob in blobs],
        }
        return self.layout.add(json.dumps(manifest).encode())

    def many(self, images: dict[str, Blob]) -> Blob:
        """Return an index, architecture -> image, in Docker's form."""
        manifests = [
            {
                **descriptor(blob, DOCKER_MANIFEST),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, blob in images.items()
        ]
        told = {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": manifests}
        return self.layout.add(json.dumps(told).encode())

    def publish(self, blob: Blob, path: str) -> str:
        """Push an image and return its public reference."""
        reference = parse(f"{self.registry.address}/{path}")
        access = Access(host=self.registry.address)
        Skopeo([str(find_skopeo())], access).push(self.layout, blob.digest, reference)
        return str(reference)


@pytest.fixture
def factory(tmp_path: Path, outside: RealRegistry) -> Factory:
    return Factory(tmp_path / "factory", outside)


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(*signing.make_key_pair(tmp_path_factory.mktemp("keys"), None))


def image_item(name: str, reference: str, **more: object) -> Item:
    told = {"kind": "image", "name": name, "reference": reference, "source": "catalog", **more}
    return Item.model_validate(told)


def lock_of(*items: Item) -> Lock:
    return Lock(stack="dev", python="3.11", items=ordered(items))


@dataclass
class Made:
    """A bundle on disk, and what made it."""

    folder: Path
    lock: Path
    said: str


Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path, keys: Keys, invoke: Invoke) -> Make:
    """Resolve a lock and make a bundle of it by the command, without lists of software."""

    def run(*items: Item, name: str = "bundle", options: Sequence[str | Path] = ()) -> Made:
        from stackyard.bundle.resolve import Sources, resolve

        sources = Sources()
        found, problems = resolve(lock_of(*items), sources, lambda _told: None)
        sources.close()
        assert problems == []
        lock = tmp_path / f"{name}.lock"
        write_lock(lock, found)
        folder = tmp_path / name
        done = invoke(
            *("bundle", "create", "-o", folder, "--lock", lock, "--key", keys.private),
            *("--no-sbom", *options),
        )
        assert done.exit_code == 0, done.output
        return Made(folder, lock, done.output)

    return run
