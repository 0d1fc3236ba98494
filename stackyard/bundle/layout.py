"""An OCI image layout on disk: each blob once, whichever manifests share it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
INDEXES = (INDEX, DOCKER_LIST)
MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """A blob by digest and size in bytes."""

    digest: str
    size: int


class Layout:
    """A folder with oci-layout, index.json and blobs/sha256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folders; what is there already stays."""
        (self.folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')

    def path(self, digest: str) -> Path:
        return self.folder / "blobs/sha256" / digest.removeprefix("sha256:")

    def has(self, blob: Blob) -> bool:
        """Tell whether a blob is there in full; what is under its name was checked when written."""
        try:
            return self.path(blob.digest).stat().st_size == blob.size
        except FileNotFoundError:
            return False

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def manifest(self, digest: str) -> Json:
        found: Json = json.loads(self.read(digest))
        return found

    def add(self, content: bytes) -> Blob:
        """Write a small blob and return it."""
        blob = Blob(digest_of(content), len(content))
        if not self.has(blob):
            draft = self.path(blob.digest).with_suffix(".new")
            draft.write_bytes(content)
            draft.replace(self.path(blob.digest))
        return blob

    def add_file(self, file: Path) -> Blob:
        """Copy a file in and return its blob."""
        blob = Blob(sha256_of(file), file.stat().st_size)
        target = self.path(blob.digest)
        if not self.has(blob):
            draft = target.with_suffix(".new")
            draft.unlink(missing_ok=True)
            with file.open("rb") as source, draft.open("wb") as sink:
                while piece := source.read(CHUNK):
                    sink.write(piece)
            draft.replace(target)
        return blob

    def add_artefact(
        self,
        kind: str,
        layers: Iterable[Mapping[str, Any]],
        config: Mapping[str, Any] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Blob:
        """Write the manifest of an artefact and return it; `config` is a descriptor."""
        empty = self.add(b"{}")
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": config or descriptor(empty, EMPTY_CONFIG),
            "layers": list(layers),
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return self.add(json.dumps(manifest, indent=1).encode())

    def write_index(self, named: Mapping[str, tuple[Blob, str]]) -> None:
        """Name the manifests: name -> blob and media type."""
        entries = [
            {**descriptor(blob, kind), "annotations": {REF_NAME: name}}
            for name, (blob, kind) in sorted(named.items())
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        draft = self.folder / ".index.json.new"
        draft.write_text(json.dumps(index, indent=1) + "\n")
        draft.replace(self.folder / "index.json")

    def index(self) -> dict[str, Json]:
        """Return name -> descriptor of every named manifest."""
        read = json.loads((self.folder / "index.json").read_text())
        return {each["annotations"][REF_NAME]: each for each in read["manifests"]}

    def manifests(self, digest: str) -> Iterator[str]:
        """Yield a manifest's digest, and those of an index's children."""
        yield digest
        for child in self.manifest(digest).get("manifests", []):
            yield from self.manifests(child["digest"])

    def tree(self, digest: str) -> Iterator[Blob]:
        """Yield all blobs below a manifest, whose manifests are here: children, config, layers."""
        manifest = self.manifest(digest)
        for child in manifest.get("manifests", []):
            yield Blob(child["digest"], child["size"])
            yield from self.tree(child["digest"])
        yield from blobs_of(manifest)


def blobs_of(manifest: Json) -> Iterator[Blob]:
    """Yield the config and the layers that one manifest names."""
    for each in [manifest.get("config"), *manifest.get("layers", [])]:
        if each is not None:
            yield Blob(each["digest"], each["size"])


def descriptor(blob: Blob, kind: str, title: str | None = None) -> Json:
    named = {"annotations": {TITLE: title}} if title else {}
    return {"mediaType": kind, "digest": blob.digest, "size": blob.size, **named}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def sha256_of(file: Path) -> str:
    """Return the digest of a file."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def media_type(manifest: Json) -> str:
    """Return what a manifest says it is; OCI's may leave it out."""
    said = manifest.get("mediaType")
    return str(said) if said else (INDEX if "manifests" in manifest else MANIFEST)
