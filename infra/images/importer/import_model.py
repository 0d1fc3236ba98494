"""Runs in a Job: pulls a model's files into its volume, checks each, shows them all at once.

ARTEFACT is a reference by digest, CACHE the volume; KEYS and CA are files that may be missing.
A file is a layer of its own, as `oras push` makes them; one that was cut off is gone on with.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path, PurePosixPath

from infra.images.importer.registry import NotUsable, Registry

TITLE = "org.opencontainers.image.title"
MARK, NEW, OLD = ".imported", ".importing", ".replaced"
CHUNK = 2**20


def main() -> int:
    artefact, cache = os.environ["ARTEFACT"], Path(os.environ["CACHE"])
    try:
        print(import_model(artefact, cache, _there("KEYS"), _there("CA")))
    except NotUsable as error:
        print(error)
        return 1
    return 0


def import_model(
    artefact: str, cache: Path, keys: Path | None = None, ca: Path | None = None
) -> str:
    """Fill the volume unless it has this artefact, and return what to print."""
    mark, new, old = cache / MARK, cache / NEW, cache / OLD
    if mark.is_file() and mark.read_text() == artefact:
        return f"the files of {artefact} are there"
    registry = Registry(artefact, keys, ca)
    files = files_of(registry.manifest())
    new.mkdir(exist_ok=True)
    for path, digest in files.items():
        blob = new / digest.removeprefix("sha256:")
        print(f"{path}", flush=True)
        registry.fetch(digest, blob)
        found = digest_of(blob)
        if found != digest:
            blob.unlink()
            message = f"{path}: is {found}, and should be {digest}; it is fetched anew next time"
            raise NotUsable(message)
    whole = _arranged(new, files)
    mark.unlink(missing_ok=True)  # from here on a cut leaves neither the old files nor the mark
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    for each in whole.iterdir():
        if (cache / each.name).exists():
            (cache / each.name).rename(old / each.name)
        each.rename(cache / each.name)
    shutil.rmtree(new)
    shutil.rmtree(old)
    made = cache / f"{MARK}.new"
    made.write_text(artefact)
    made.replace(mark)
    return f"{len(files)} files of {artefact} are in place"


def files_of(manifest: str) -> dict[str, str]:
    """Return path and digest of each file of an artefact: each is a layer of its own."""
    try:
        layers = json.loads(manifest)["layers"]
        found = {layer["annotations"][TITLE]: layer["digest"] for layer in layers}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        message = f"the manifest is not that of a model's files ({type(error).__name__}: {error})"
        raise NotUsable(message) from None
    for path in found:
        parts = PurePosixPath(path).parts
        own = bool(parts) and parts[0].startswith((MARK, NEW, OLD))
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts or own:
            message = f"the manifest names a file outside of the volume: {path!r}"
            raise NotUsable(message)
    if not found:
        message = "the artefact has no file"
        raise NotUsable(message)
    return found


def digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _arranged(new: Path, files: dict[str, str]) -> Path:
    """Return a folder with every file under its path; equal files are one by a hard link."""
    whole = new / "files"
    shutil.rmtree(whole, ignore_errors=True)
    for path, digest in files.items():
        target = whole / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(new / digest.removeprefix("sha256:"))
    return whole


def _there(name: str) -> Path | None:
    path = os.environ.get(name)
    return Path(path) if path and os.access(path, os.R_OK) else None


if __name__ == "__main__":
    sys.exit(main())
