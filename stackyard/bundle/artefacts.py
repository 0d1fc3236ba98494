"""Charts and model files as OCI artefacts: the same input gives the same digest, always."""

import io
import json
import re
import tarfile
from collections.abc import Collection
from pathlib import Path

import yaml

from stackyard.bundle.layout import (
    MANIFEST,
    TITLE,
    Blob,
    Json,
    Layout,
    descriptor,
    digest_of,
    sha256_of,
)
from stackyard.bundle.lock import Item
from stackyard.errors import Trouble

CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
MODEL = "application/vnd.stackyard.model.v1"
MODEL_FILE = "application/vnd.stackyard.model.file.v1"
EMPTY = b"{}"


def chart_manifest(content: bytes) -> tuple[bytes, bytes]:
    """Return the manifest and the config of a chart's archive, in the form of `helm push`."""
    config = json.dumps(chart_metadata(content), sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(Blob(digest_of(config), len(config)), CHART_CONFIG),
        "layers": [descriptor(Blob(digest_of(content), len(content)), CHART_CONTENT)],
    }
    return json.dumps(manifest, indent=1).encode(), config


def chart_metadata(content: bytes) -> Json:
    """Return a chart's Chart.yaml. Raises Trouble where the archive is none."""
    found = chart_file(content, r"[^/]+/Chart\.yaml")
    read = yaml.safe_load(found) if found is not None else None
    if not isinstance(read, dict) or "name" not in read or "version" not in read:
        message = "the archive is no Helm chart: it has no Chart.yaml with a name and a version"
        raise Trouble(message, "helm pull REPOSITORY/CHART --version VERSION")
    return read


def chart_file(content: bytes, pattern: str) -> str | None:
    """Return the first file of a chart whose path matches."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                if member.isfile() and re.fullmatch(pattern, member.name):
                    opened = archive.extractfile(member)
                    return opened.read().decode() if opened else None
    except (tarfile.TarError, OSError, EOFError) as error:
        message = f"the chart's archive cannot be read: {error}"
        raise Trouble(message, "helm pull REPOSITORY/CHART --version VERSION") from None
    return None


def add_chart(layout: Layout, content: bytes) -> Blob:
    manifest, config = chart_manifest(content)
    layout.add(config)
    layout.add(content)
    return layout.add(manifest)


def model_manifest(folder: Path, item: Item) -> tuple[bytes, list[Path]]:
    """Return the manifest of a folder of model files, and the files in its order.

    A layer a file, its path in the title: `oras pull` restores the folder.
    """
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != ".lock")
    layers = [
        descriptor(
            Blob(sha256_of(f), f.stat().st_size), MODEL_FILE, f.relative_to(folder).as_posix()
        )
        for f in files
    ]
    image, _, profile = item.reference.partition("#")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": MODEL,
        "config": descriptor(
            Blob(digest_of(EMPTY), len(EMPTY)), "application/vnd.oci.empty.v1+json"
        ),
        "layers": layers,
        "annotations": {TITLE: item.name, "stackyard.image": image, "stackyard.profile": profile},
    }
    return json.dumps(manifest, indent=1).encode(), files


def add_model(layout: Layout, folder: Path, item: Item, absent: Collection[str] = ()) -> Blob:
    """Put a folder of model files into the layout, but for those that the site has."""
    manifest, files = model_manifest(folder, item)
    layout.add(EMPTY)
    for file, layer in zip(files, json.loads(manifest)["layers"], strict=True):
        if layer["digest"] not in absent:
            layout.add_file(file)
    return layout.add(manifest)


def models_missing(items: list[Item], folder: Path | None) -> list[str]:
    """Return, for each model without files, how to get them; said before anything is fetched."""
    lines = []
    for item in items:
        place = (folder or Path("MODELS")) / item.name
        if folder is not None and place.is_dir() and any(place.iterdir()):
            continue
        image, _, profile = item.reference.partition("#")
        command = (
            f"docker run --rm {{gpus}}--user 1000 -e NGC_API_KEY -v {place}:/opt/nim/.cache "
            f"{image} download-to-cache"
        )
        if profile == "unpinned":
            lines.append(
                f"{item.key}: models.{item.name}.profile is not set, so which files are needed is "
                "decided by a GPU. On a connected machine with the site's kind of GPU:\n"
                f"    {command.format(gpus='--gpus all ')}\n"
                f"  then set models.{item.name}.profile to the profile it chose, and carry {place}"
            )
        else:
            lines.append(
                f"{item.key}: no files in {place}. On any connected machine, a GPU is not needed "
                f"for a pinned profile:\n    {command.format(gpus='')} -p {profile}"
            )
    return lines
