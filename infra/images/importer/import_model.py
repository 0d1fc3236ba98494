"""Runs in a Job: pulls a model's files into its volume by oras, checks each, shows them at once.

ARTEFACT is a reference by digest, CACHE the volume; KEYS and CA are files that may be missing.
Only Python's own library: the image has nothing else.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

TITLE = "org.opencontainers.image.title"
MARK, NEW, OLD = ".imported", ".importing", ".replaced"
CHUNK = 2**20


class NotUsable(Exception):
    """The artefact or the registry's answer cannot be used; the text says why."""


def main() -> int:
    artefact, cache = os.environ["ARTEFACT"], Path(os.environ["CACHE"])
    options = options_of(os.environ)
    try:
        print(import_model(artefact, cache, options))
    except NotUsable as error:
        print(error)
        return 1
    return 0


def options_of(environment: Mapping[str, str]) -> list[str]:
    """Return oras' options for the files that are there."""
    given = {"--registry-config": environment.get("KEYS"), "--ca-file": environment.get("CA")}
    found = [[name, path] for name, path in given.items() if path and os.access(path, os.R_OK)]
    return [word for pair in found for word in pair]


def import_model(artefact: str, cache: Path, options: list[str]) -> str:
    """Fill the volume unless it has this artefact, and return what to print."""
    mark, new, old = cache / MARK, cache / NEW, cache / OLD
    if mark.is_file() and mark.read_text() == artefact:
        return f"the files of {artefact} are there"
    files = files_of(oras("manifest", "fetch", *options, artefact))
    shutil.rmtree(new, ignore_errors=True)
    (new / "tmp").mkdir(parents=True)
    # on the volume: a packed file may be larger than the node's own disk
    os.environ["TMPDIR"] = str(new / "tmp")
    oras("pull", *options, "--output", str(new / "files"), artefact)
    check(new / "files", files)
    mark.unlink(missing_ok=True)  # from here on a cut leaves neither the old files nor the mark
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    for each in (new / "files").iterdir():
        if (cache / each.name).exists():
            (cache / each.name).rename(old / each.name)
        each.rename(cache / each.name)
    shutil.rmtree(new)
    shutil.rmtree(old)
    mark.with_suffix(".new").write_text(artefact)
    mark.with_suffix(".new").replace(mark)
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
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts or parts[0] == MARK:
            message = f"the manifest names a file outside of the volume: {path!r}"
            raise NotUsable(message)
    if not found:
        message = "the artefact has no file"
        raise NotUsable(message)
    return found


def check(folder: Path, files: Mapping[str, str]) -> None:
    """Compare every file with its digest, and refuse files that nobody listed."""
    there = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    wrong = [f"{path}: is not there" for path in sorted(files.keys() - there)]
    wrong += [f"{path}: is in no manifest" for path in sorted(there - files.keys())]
    for path in sorted(files.keys() & there):
        found = "a link" if (folder / path).is_symlink() else digest_of(folder / path)
        if found != files[path]:
            wrong.append(f"{path}: is {found}, and should be {files[path]}")
    if wrong:
        message = f"{len(wrong)} file(s) are not what the artefact says\n" + "\n".join(wrong)
        raise NotUsable(message)


def digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def oras(*arguments: str) -> str:
    """Return what oras printed."""
    done = subprocess.run(["oras", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"oras {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-1500:]}"
        raise NotUsable(message)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
