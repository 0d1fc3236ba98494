"""Write a docker-archive from layer tars, without a daemon: deterministic and for any loader."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """One image of an archive: its tags, uncompressed layer tars from the bottom up, and config."""

    tags: list[str]
    layers: list[Path]
    config: dict[str, object] = field(default_factory=dict)


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(target: Path, images: list[ImageSpec]) -> None:
    """Write the images to one archive; a layer that several share is stored once.

    The `repositories` file comes first: kind reads all tags there, and from manifest.json only the
    first image's.
    """
    digests: dict[Path, str] = {}
    manifest = []
    repositories: dict[str, dict[str, str]] = {}
    for image in images:
        for tag in image.tags:
            name, version = tag.rsplit(":", 1)
            repositories.setdefault(name, {})[version] = ""
    with tarfile.open(target, "w") as archive:
        _add(archive, "repositories", repositories)
        for image in images:
            for layer in image.layers:
                if layer not in digests:
                    digests[layer] = sha256_of(layer)
                    info = tarfile.TarInfo(f"{digests[layer]}/layer.tar")
                    info.size = layer.stat().st_size
                    with layer.open("rb") as file:
                        archive.addfile(info, file)
            config = {
                "architecture": "amd64",
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",
                "config": image.config,
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [f"sha256:{digests[layer]}" for layer in image.layers],
                },
                "history": [
                    {"created": "1970-01-01T00:00:00Z", "created_by": "stackyard"}
                    for _ in image.layers
                ],
            }
            text = json.dumps(config, sort_keys=True).encode()
            name = hashlib.sha256(text).hexdigest() + ".json"
            _add(archive, name, config)
            layers = [f"{digests[layer]}/layer.tar" for layer in image.layers]
            manifest.append({"Config": name, "RepoTags": image.tags, "Layers": layers})
        _add(archive, "manifest.json", manifest)


def _add(archive: tarfile.TarFile, name: str, content: object) -> None:
    data = json.dumps(content, sort_keys=True).encode()
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
