"""`stackyard bundle`: everything that a sealed site needs, from its list to its registry."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stackyard.bundle.inventory import inventory
from stackyard.bundle.lock import UNRESOLVED, Lock, read_lock
from stackyard.commands.options import AsJson, StackName
from stackyard.errors import Trouble
from stackyard.progress import out
from stackyard.project import Stack, find

LOCK = "bundle.lock"
WIDE = 240  # of a table in no terminal: references stay whole
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="A Pulumi.<stack>.yaml in another folder, for example ours."),
]
LockFile = Annotated[
    Path | None, typer.Option("--lock", help="The lock; bundle.lock beside the settings.")
]
Python = Annotated[
    str | None,
    typer.Option(
        "--python", help="Python of the machine that deploys; the lock's, else this one's."
    ),
]
System = Annotated[
    list[str] | None,
    typer.Option(
        "--system", help="System of the GPU nodes, for example ubuntu24.04: its driver travels."
    ),
]

app = typer.Typer(no_args_is_help=True, help="Everything that a sealed site needs, on a disk.")


def list_(
    stack: StackName = "dev",
    settings: SettingsFile = None,
    lock: LockFile = None,
    python: Python = None,
    system: System = None,
    as_json: AsJson = False,
) -> None:
    """Print every image, chart, model, wheel, tool and plugin; asks no cluster and no registry."""
    meant = stack_of(stack, settings)
    known = known_lock(lock or meant.project / LOCK)
    found = inventory_of(meant, known, python, system)
    if as_json:
        told = found.model_dump(exclude={"items"})
        print(json.dumps({**told, "items": [each.line() for each in found.items]}, indent=2))
        return
    show(found)


def stack_of(name: str, settings: Path | None) -> Stack:
    """Return the stack of a name, or of a settings file anywhere."""
    if settings is None:
        return find(name)
    parts = settings.name.split(".")
    if len(parts) != 3 or parts[0] != "Pulumi" or parts[2] != "yaml" or not settings.is_file():
        message = f"--settings is {settings}: it must be a file named Pulumi.<stack>.yaml"
        raise Trouble(message, "stackyard bundle list --settings examples/Pulumi.onprem.yaml")
    return Stack(parts[1], settings.resolve().parent)


def known_lock(path: Path) -> Lock | None:
    return read_lock(path) if path.is_file() else None


def inventory_of(
    stack: Stack, known: Lock | None, python: str | None, systems: list[str] | None
) -> Lock:
    """Return the inventory; what options leave out is as the earlier lock has it."""
    return inventory(
        stack,
        python=python or (known.python if known else HERE),
        systems=systems if systems is not None else (known.systems if known else ()),
        known=known,
    )


def show(lock: Lock) -> None:
    table = Table("kind", "name", "reference", "digest", "platform", "size", box=None)
    for item in lock.items:
        digest = item.digest[:19] if item.digest else UNRESOLVED
        table.add_row(
            item.kind, item.name, item.reference, digest, item.platform, in_units(item.size)
        )
    Console(width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)
    known = sum(item.size or 0 for item in lock.items)
    out().print(
        f"{len(lock.items)} items, {in_units(known)} as far as sizes are known, "
        f"{len(lock.unresolved)} {UNRESOLVED}"
    )


def in_units(size: int | None) -> str:
    """Return bytes for people."""
    if size is None:
        return "?"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


VERBS = {"list": list_}
