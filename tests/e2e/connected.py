"""The connected side of a sealed site: two bundles, from a registry that plays the public ones.

That registry is the journey's own. Where Qdrant's image cannot be had, the stand-in plays it there,
started as Qdrant's own is.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.catalog import QDRANT
from stackyard.bundle.lock import read_lock, write_lock
from stackyard.project import PACKAGE
from tests.e2e.outside import Shell
from tools import official_plugin

Inventory = dict[str, dict[str, str]]
# Qdrant's own image finds its keys in this file, the stand-in each in one that holds nothing else
PLAYED = """FROM {image}
ENTRYPOINT ["sh", "-c", "python3 -c 'import json; \
keys = json.load(open(\\"config/local.yaml\\"))[\\"service\\"]; \
[open(f\\"/tmp/{{name}}\\", \\"w\\").write(keys[name]) for name in keys]' && \
QDRANT_EDGE_API_KEY_FILE=/tmp/api_key QDRANT_EDGE_READ_ONLY_API_KEY_FILE=/tmp/read_only_api_key \
exec python3 -m local.qdrant"]
"""


@dataclass(frozen=True)
class Bundles:
    """Two bundles of one stack: the second has another app, and only what the first lacks."""

    first: Path
    second: Path
    key: Path  # the public one

    def app(self, bundle: Path) -> str:
        """Return the digest of the service's image."""
        lock = read_lock(bundle / "bundle.lock")
        return next(str(each.digest) for each in lock.items if each.key == "image:app")


def make_bundles(shell: Shell, inventory: Inventory, settings: Path, folder: Path) -> Bundles:
    """Make both by the commands of docs/guides/air-gap-bundle.md."""

    def stackyard(*words: str | Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "stackyard", "bundle", *words],
            cwd=PACKAGE,
            env=shell.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    registry = inventory["app"]["image"].partition("/")[0]
    if "qdrant" in inventory and inventory["qdrant"]["image"].startswith(registry):
        text = PLAYED.format(image=inventory["qdrant"]["image"])
        push(shell, f"{registry}/{QDRANT}", text)
    lock, later = folder / "bundle.lock", folder / "later.lock"
    of = ("--settings", settings, "--built", registry, "--mirror", registry)
    stand_in = [] if official_plugin.find() else ["--stand-in"]
    stackyard("lock", "--lock", lock, *of, *stand_in)
    stackyard("key", "-o", folder / "keys")
    made = Bundles(folder / "first", folder / "second", folder / "keys/cosign.pub")
    signed = ("--key", folder / "keys/bundle.key", "--no-sbom")
    stackyard("create", "-o", made.first, "--lock", lock, *of, *signed)
    another(lock, later, changed_image(shell, inventory["app"]["image"]))
    stackyard("create", "-o", made.second, "--lock", later, "--since", lock, *of, *signed)
    return made


def another(lock: Path, later: Path, app: str) -> None:
    """Write what the lock is after the app has changed."""
    read = read_lock(lock)
    items = (
        each.model_copy(update={"digest": app}) if each.key == "image:app" else each
        for each in read.items
    )
    write_lock(later, read.model_copy(update={"items": tuple(items)}))


def changed_image(shell: Shell, image: str) -> str:
    """Push the app's image with one label more, and return its digest."""
    tag = f"{image.partition('@')[0]}:second"
    return push(shell, tag, f"FROM {image}\nLABEL bundle=second\n")


def push(shell: Shell, tag: str, dockerfile: str) -> str:
    shell.docker("build", "--tag", tag, "-", given=dockerfile)
    return shell.docker("push", tag).partition("digest: ")[2].split()[0]


def blobs_of(bundle: Path) -> dict[str, int]:
    """Return the size of each blob that a bundle carries."""
    found = (bundle / "oci/blobs/sha256").iterdir()
    return {each.name: each.stat().st_size for each in found}


def files_of(bundle: Path) -> set[str]:
    """Return the folders of a bundle that hold files for the deploying machine."""
    manifest = json.loads((bundle / "bundle.json").read_text())
    folders = {name.partition("/")[0] for name in manifest["files"]}
    return folders & {"wheels", "tools", "plugins"}
