"""What lies beside the blobs: README, start script, lock, checksums, manifests for other tools."""

import datetime
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import yaml

from infra.registry import Reference, parse
from stackyard.bundle.layout import sha256_of
from stackyard.bundle.lock import Item, Lock, dumps
from stackyard.bundle.manifest import (
    NAME,
    PUBLIC_KEY,
    RECORD_SIGNATURE,
    SIGNATURE,
    File,
    Manifest,
)
from stackyard.project import PACKAGE

START = Path(__file__).with_name("start.py")
README = Path(__file__).with_name("carrier.md")
UNSIGNED = {NAME, SIGNATURE, PUBLIC_KEY, RECORD_SIGNATURE, "checksums.txt"}
# of the clone: what the program and the command are made of
SOURCES = (
    "Pulumi.yaml",
    "__main__.py",
    "pyproject.toml",
    "uv.lock",
    "Makefile",
    "LICENSE",
    "README.md",
    "app",
    "docs",
    "examples",
    "infra",
    "local",
    "pipelines",
    "stackyard",
    "tools",
)
Where = Callable[[Item], Reference | None]
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def write(
    folder: Path,
    lock: Lock,
    items: Sequence[Item],
    signatures: Mapping[str, str],
    absent: Sequence[str],
    built: Where,
    tell: Callable[[str], None],
) -> Manifest:
    """Write everything but the signature; bundle.json last, over all that is there.

    `built` says where an image of ours is to be had.
    """
    (folder / "bundle.lock").write_text(dumps(lock))
    (folder / "stackyard.py").write_bytes(START.read_bytes())
    (folder / "source.tar").write_bytes(source())
    (folder / "hauler.yaml").write_text(hauler(items, built))
    (folder / "zarf.yaml").write_text(zarf(lock.stack, items, built))
    text = README.read_text()
    (folder / "README.md").write_text(text.replace("STACK", lock.stack))
    tell("checksums")
    files = checksums(folder)
    lines = [f"{f.digest.removeprefix('sha256:')}  {name}" for name, f in files.items()]
    (folder / "checksums.txt").write_text("\n".join(lines) + "\n")
    now = datetime.datetime.now(datetime.UTC)
    manifest = Manifest(
        stack=lock.stack,
        serial=int(now.timestamp()),
        made=now.isoformat(timespec="seconds"),
        platform=lock.platform,
        python=lock.python,
        items=tuple(items),
        left_out=tuple(i.key for i in lock.items if i not in items),
        absent=tuple(absent),
        signatures=dict(signatures),
        files=files,
    )
    draft = folder / f".{NAME}.new"
    draft.write_text(manifest.model_dump_json(indent=1) + "\n")
    draft.replace(folder / NAME)
    return manifest


def checksums(folder: Path) -> dict[str, File]:
    """Return size and digest of every file below a folder, read anew from the disk."""
    names = sorted(
        str(f.relative_to(folder))
        for f in folder.rglob("*")
        if f.is_file() and str(f.relative_to(folder)) not in UNSIGNED
    )

    def one(name: str) -> File:
        return File(size=(folder / name).stat().st_size, digest=sha256_of(folder / name))

    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def source() -> bytes:
    """Return the clone's program and command as a tar with fixed bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in _sources():
            content = file.read_bytes()
            member = tarfile.TarInfo(str(file.relative_to(PACKAGE)))
            member.size, member.mode = len(content), 0o755 if file.suffix == ".sh" else 0o644
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _sources() -> Iterable[Path]:
    found = []
    for name in SOURCES:
        path = PACKAGE / name
        inside = path.rglob("*") if path.is_dir() else [path]
        found += [f for f in inside if f.is_file() and not LEFT_OUT & set(f.parts)]
    return sorted(found)


def hauler(items: Sequence[Item], built: Where) -> str:
    """Return the lock as a manifest of Hauler: `hauler store sync --filename hauler.yaml`.

    Its platform too, else Hauler carries every one; an index that travels whole has none.
    """
    images = [
        {"name": name, **({"platform": item.platform} if "/" in item.platform else {})}
        for item, name in pinned(items, built)
    ]
    charts = []
    for item in items:
        if item.kind == "chart":
            address, _, version = item.reference.rpartition(":")
            repository, _, name = address.rpartition("/")
            charts.append({"name": name, "repoURL": repository, "version": version})
    documents = [
        _document("Images", "images", images),
        _document("Charts", "charts", charts),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _document(kind: str, member: str, entries: list[dict[str, str]]) -> dict[str, object]:
    return {
        "apiVersion": "content.hauler.cattle.io/v1",
        "kind": kind,
        "metadata": {"name": f"stackyard-{member}"},
        "spec": {member: entries},
    }


def zarf(stack: str, items: Sequence[Item], built: Where) -> str:
    """Return the lock as a package definition of Zarf: `zarf package create`.

    Its images only: a chart in a package is one that Zarf installs, here `pulumi up` does.
    """
    images = [name for _, name in pinned(items, built)]
    package = {
        "kind": "ZarfPackageConfig",
        "metadata": {"name": f"stackyard-{stack}", "architecture": "amd64"},
        "components": [{"name": "images", "required": True, "images": images}],
    }
    return yaml.safe_dump(package, sort_keys=False)


def pinned(items: Iterable[Item], built: Where) -> Iterator[tuple[Item, str]]:
    """Yield each image with the reference that it is to be had by, and the digest that travels."""
    for item in items:
        if item.kind != "image":
            continue
        reference = built(item) if item.source == "built" else parse(item.reference)
        if reference is not None:
            yield item, str(replace(reference, digest=item.digest))
