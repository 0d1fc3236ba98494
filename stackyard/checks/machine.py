"""This machine: what a local stack, or the command itself, needs of it."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator

from stackyard.checks.finding import Finding, ok, problem
from stackyard.serving.parts import weights_are_there
from tools.paths import bin_dir, home_dir
from tools.sealed.docker import is_sealed, works

GO = (1, 26)
FREE_GIB = 15  # images, the node and the build caches of a first `up` on the registries alone


def platform_fits() -> Iterator[Finding]:
    found = f"{platform.system()}/{platform.machine()}"
    if found == "Linux/x86_64":
        yield ok("platform", found)
    else:
        why = "the tools and images are for linux/amd64"
        yield problem("platform", found, why, "use a linux/amd64 machine")


def python_fits() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        yield ok("Python 3.11 to 3.13", found)
    else:
        why = "the locked packages have no builds for it"
        yield problem("Python 3.11 to 3.13", found, why, "apt-get install python3")


def docker_answers() -> Iterator[Finding]:
    client = shutil.which("docker", path=_path())
    can_provide = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if client and works(client):
        yield ok("Docker", client)
    elif can_provide and is_sealed():
        yield ok("Docker", "stopped; `up` starts it")
    else:
        what = (
            "stopped or absent; can be provided"
            if can_provide
            else ("no server answers, and starting one needs root")
        )
        fix = (
            "stackyard tools"
            if can_provide
            else ("start Docker, or without containers: stackyard serve")
        )
        yield problem("Docker", what, "a local cluster is made of containers", fix)


def disk_is_free() -> Iterator[Finding]:
    existing = next(path for path in (home_dir(), *home_dir().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    name, found = f"{FREE_GIB} GiB of disk", f"{free:.0f} GiB at {existing}"
    if free >= FREE_GIB:
        yield ok(name, found)
    else:
        fix = f"free space on {existing}, or set STACKYARD_HOME and STACKYARD_CACHE"
        yield problem(name, found, "images and caches of a first `up` fill the disk", fix)


def pulumi_is_there() -> Iterator[Finding]:
    found = shutil.which("pulumi", path=_path())
    if found:
        yield ok("pulumi", found)
        return
    fix = "stackyard tools"
    if shutil.which("go") is None:
        fix += (
            f"; where only package registries are reached it needs Go >= {GO[0]}.{GO[1]}: "
            "https://go.dev/dl"
        )
    yield problem("pulumi", "absent", "it is the engine of `up`", fix)


def weights_of_serve() -> Iterator[Finding]:
    if weights_are_there():
        yield ok("model weights of serve", "there")
    else:
        why = "`serve` answers only with them"
        yield problem("model weights of serve", "not fetched", why, "stackyard serve fetches them")


def _path() -> str:
    return f"{bin_dir()}{os.pathsep}{os.environ.get('PATH', '')}"


LOCAL = (
    platform_fits,
    python_fits,
    docker_answers,
    disk_is_free,
    pulumi_is_there,
    weights_of_serve,
)
REMOTE = (platform_fits, python_fits, pulumi_is_there)  # another machine runs the rest
