"""`stackyard doctor`: what this machine lacks, and the command that helps."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass

import typer
from rich.markup import escape
from rich.table import Table

from stackyard.progress import out
from stackyard.serving.parts import weights_are_there
from tools.paths import bin_dir, home_dir
from tools.sealed.docker import is_sealed, works

GO = (1, 26)
FREE_GIB = 15  # images, the node and the build caches of a first `up` on the registries alone


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    fine: bool
    found: str
    hint: str = ""


def doctor() -> None:
    """Say what is missing on this machine for `up`, and whether `serve` can run instead."""
    checks = [_platform(), _python(), _docker(), _disk(), _pulumi(), _weights()]
    table = Table("what", "", "found", "next")
    for check in checks:
        mark = "[green]ok[/green]" if check.fine else "[yellow]missing[/yellow]"
        table.add_row(check.what, mark, escape(check.found), "" if check.fine else check.hint)
    out().print(table)
    if not all(check.fine for check in checks):
        raise typer.Exit(1)


def _platform() -> Check:
    found = f"{platform.system()}/{platform.machine()}"
    return Check("platform", found == "Linux/x86_64", found, "use a linux/amd64 machine")


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    fine = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check("Python 3.11 to 3.13", fine, found, "apt-get install python3")


def _docker() -> Check:
    client = shutil.which("docker", path=f"{bin_dir()}{os.pathsep}{os.environ.get('PATH', '')}")
    if client and works(client):
        return Check("Docker", True, client)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return Check("Docker", is_sealed(), "stopped or absent; can be provided", "stackyard tools")
    hint = "start Docker, or without containers: stackyard serve"
    return Check("Docker", False, "no server answers, and starting one needs root", hint)


def _disk() -> Check:
    existing = next(path for path in (home_dir(), *home_dir().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    hint = f"free space on {existing}, or set STACKYARD_HOME and STACKYARD_CACHE"
    return Check(f"{FREE_GIB} GiB of disk", free >= FREE_GIB, f"{free:.0f} GiB at {existing}", hint)


def _pulumi() -> Check:
    found = shutil.which("pulumi", path=f"{bin_dir()}{os.pathsep}{os.environ.get('PATH', '')}")
    hint = "stackyard tools"
    if shutil.which("go") is None:
        hint += (
            f"; where only package registries are reached it needs Go >= {GO[0]}.{GO[1]}: "
            "https://go.dev/dl"
        )
    return Check("pulumi", found is not None, found or "absent", hint)


def _weights() -> Check:
    fine = weights_are_there()
    found = "there" if fine else "not fetched"
    return Check("model weights of serve", fine, found, "stackyard serve fetches them")
