"""Makes an image: stages its context on this machine, builds without network, pushes."""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from infra.command import Trouble, run
from infra.images.ecr import log_docker_in
from infra.images.recipe import PLATFORM, PYTHON, ROOT, Recipe, files
from infra.machine import cache_dir
from infra.registry import parse

PUSHED = re.compile(r"digest: (sha256:[0-9a-f]{64})")
SBOM = "sbom.cdx.json"  # in /opt/site of an image
SBOM_HINT = "uv self update: an older uv cannot list an image's packages in CycloneDX"
PACKAGES_HINT = "check that the package registry can be reached, then run the same command again"


def stage(recipe: Recipe, target: Path, root: Path = ROOT) -> None:
    """Fill a build context: the Dockerfile, the sources, site/ and, for models, weights/.

    Everything from the network is fetched here, because a sealed Docker builds without one.
    """
    for path in files(recipe, root):
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    shutil.copy2(root / recipe.dockerfile, target / "Dockerfile")
    if recipe.group is not None:
        _install(recipe.group, target, root)
        (target / "site" / SBOM).write_text(software(recipe.group, root))
    for folder in recipe.without:
        shutil.rmtree(target / "site" / folder, ignore_errors=True)
    if recipe.weights:
        run(
            *(sys.executable, "-m", "local.models.weights", target / "weights"),
            cwd=root,
            hint=PACKAGES_HINT,
        )


def build_and_push(recipe: Recipe, tag: str, base: str) -> str:
    """Build an image under a tag, push it and return its digest in the registry.

    Logs in before, where its base or the image itself is at AWS: a login of yesterday has ended.
    """
    kept = cache_dir() / "images"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{recipe.name}-", dir=kept) as scratch:
        context = Path(scratch)
        stage(recipe, context)
        for host in dict.fromkeys((parse(base).host, parse(tag).host)):
            log_docker_in(host)
        run(
            *("docker", "build", "--build-arg", f"BASE={base}", "--tag", tag, context),
            hint="docker system df shows the space; the Dockerfile is " + recipe.dockerfile,
        )
    said = run("docker", "push", tag, hint="docker login, where the registry asks for it")
    found = PUSHED.search(said)
    if found is None:
        message = f"`docker push {tag}` printed no digest:\n{said[-800:]}"
        raise Trouble(message, f"docker push {tag}")
    return found[1]


def _install(group: str, target: Path, root: Path) -> None:
    """Install a group's locked wheels for the image's platform, whatever this machine is."""
    uv = find_uv()
    wanted = target / "requirements.txt"
    run(
        *(uv, "export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project"),
        *("--no-header", "--only-group", group, "--output-file", wanted),
        cwd=root,
        hint=PACKAGES_HINT,
    )
    run(
        *(uv, "pip", "install", "--quiet", "--target", target / "site", "--requirement", wanted),
        *("--python", sys.executable, "--python-version", PYTHON, "--python-platform", PLATFORM),
        *("--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"),
        cwd=root,
        hint=PACKAGES_HINT,
    )
    wanted.unlink()


def software(group: str, root: Path = ROOT) -> str:
    """Return the packages of a group with their hashes, as CycloneDX 1.5 in JSON.

    Debian's packages are added in the image, from its base. The same lock gives the same text.
    """
    listed = json.loads(
        run(
            *(find_uv(), "export", "--quiet", "--frozen", "--no-default-groups"),
            *("--no-emit-project", "--only-group", group, "--format", "cyclonedx1.5"),
            cwd=root,
            hint=SBOM_HINT,
        )
    )
    listed.pop("serialNumber", None)
    listed.get("metadata", {}).pop("timestamp", None)
    return json.dumps(listed, indent=1)


def find_uv() -> str:
    """Return uv, from PATH or beside this Python."""
    beside = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    found = shutil.which("uv", path=beside)
    if found is None:
        message = "uv is not on PATH; it installs the images' packages"
        raise Trouble(message, "make tools, or: pip install uv")
    return found
