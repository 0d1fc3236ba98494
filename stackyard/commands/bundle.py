"""`stackyard bundle` on the connected side: what a sealed site needs, listed, fetched, signed."""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stackyard.bundle import signing, splitting
from stackyard.bundle.building import build as build_images
from stackyard.bundle.building import registry_to
from stackyard.bundle.charts import Archive
from stackyard.bundle.create import Order
from stackyard.bundle.create import create as make_bundle
from stackyard.bundle.inventory import inventory
from stackyard.bundle.lock import PUSHED, UNRESOLVED, Item, Lock, changes, read_lock, write_lock
from stackyard.bundle.places import collisions, registry_of
from stackyard.bundle.resolve import chart_or_none, resolve
from stackyard.commands.bundle_options import (
    HERE,
    LOCK,
    WIDE,
    Authfile,
    Built,
    Ca,
    Charts,
    LockFile,
    Mirror,
    Models,
    PassphraseFile,
    Python,
    SettingsFile,
    StandIn,
    System,
    archive_in,
    charts_at_hand,
    in_units,
    known_lock,
    secret_in,
    sources_of,
    stack_of,
)
from stackyard.commands.bundle_sign import sign
from stackyard.commands.bundle_site import load, verify
from stackyard.commands.options import AsJson, StackName
from stackyard.errors import Trouble
from stackyard.machine import start_docker
from stackyard.progress import Stages, out
from stackyard.project import Stack

app = typer.Typer(no_args_is_help=True, help="Everything that a sealed site needs, on a disk.")


def list_(
    stack: StackName = "dev",
    settings: SettingsFile = None,
    lock: LockFile = None,
    python: Python = None,
    system: System = None,
    chart: Charts = None,
    stand_in: StandIn = False,
    as_json: AsJson = False,
) -> None:
    """Print every image, chart, model, wheel, tool and plugin; asks no cluster and no registry."""
    meant = stack_of(stack, settings)
    known = known_lock(lock or meant.project / LOCK)
    at_hand = charts_at_hand(chart)
    found = inventory_of(
        meant, known, python, system, lambda item: archive_in(item, at_hand), stand_in=stand_in
    )
    if as_json:
        told = found.model_dump(exclude={"items"})
        print(json.dumps({**told, "items": [each.line() for each in found.items]}, indent=2))
        return
    show(found)


def inventory_of(
    stack: Stack,
    known: Lock | None,
    python: str | None,
    systems: list[str] | None,
    archive: Archive = lambda _chart: None,
    *,
    stand_in: bool = False,
) -> Lock:
    """Return the inventory; what options leave out is as the earlier lock has it."""
    return inventory(
        stack,
        python=python or (known.python if known else HERE),
        systems=systems if systems is not None else (known.systems if known else ()),
        known=known,
        archive=archive,
        stand_in=stand_in,
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


def lock(
    stack: StackName = "dev",
    settings: SettingsFile = None,
    lock: LockFile = None,
    python: Python = None,
    system: System = None,
    built: Built = None,
    mirror: Mirror = None,
    models: Models = None,
    chart: Charts = None,
    authfile: Authfile = None,
    ca: Ca = None,
    stand_in: StandIn = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody: new items stay unresolved.")
    ] = False,
) -> None:
    """Find every digest at its registry, write bundle.lock, and print what changed in it."""
    meant = stack_of(stack, settings)
    path = lock or meant.project / LOCK
    known = known_lock(path)
    sources = sources_of(built, mirror, models, chart, authfile, ca)

    def archive(item: Item) -> bytes | None:
        return archive_in(item, sources.charts) if offline else chart_or_none(item, sources)

    found = inventory_of(meant, known, python, system, archive, stand_in=stand_in)
    problems: list[str] = []
    if not offline:
        with closing(sources), Stages().stage("Asking the registries") as tell:
            found, problems = resolve(found, sources, tell)
    double = collisions(found.of(*PUSHED))
    if double:
        raise Trouble("\n".join(double), "give one of them another tag; a site has one registry")
    write_lock(path, found)
    for line in changes(known, found) if known else ():  # all of a first lock is new
        out().print(line, markup=False)
    out().print(f"{path}: {len(found.items)} items, {len(found.unresolved)} {UNRESOLVED}")
    for problem in problems:
        print(problem, file=sys.stderr)
    if found.unresolved and meant.is_sealed and not offline:
        names = ", ".join(item.key for item in found.unresolved)
        message = f"airgapped is true, and no digest is known for {names}"
        raise Trouble(message, "correct what is said above, then: stackyard bundle lock")


def build(
    target: Annotated[str, typer.Option("--to", help="HOST/PREFIX that they are pushed to.")],
    stack: StackName = "dev",
    settings: SettingsFile = None,
) -> None:
    """Build the images of ours that a stack needs, and push them to where lock --built looks."""
    meant, place = stack_of(stack, settings), registry_of(target)
    found = inventory_of(meant, None, None, None)
    with Stages().stage("Building images") as tell, closing(registry_to(place)) as registry:
        start_docker(tell)
        made = build_images(found.items, place, registry, tell)
    for name, reference in made.items():
        out().print(f"{name}: {reference}", markup=False)


def create(
    target: Annotated[Path, typer.Option("-o", "--output", help="The folder of the bundle.")],
    stack: StackName = "dev",
    settings: SettingsFile = None,
    lock: LockFile = None,
    key: Annotated[Path | None, typer.Option("--key", help="The private key, PEM.")] = None,
    passphrase_file: PassphraseFile = None,
    since: Annotated[
        Path | None,
        typer.Option("--since", help="A lock that the site has: only what is new travels."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="KIND:NAME that is to be left out.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Also cut it into parts of this size: 4.7G.")
    ] = None,
    built: Built = None,
    mirror: Mirror = None,
    models: Models = None,
    chart: Charts = None,
    authfile: Authfile = None,
    ca: Ca = None,
    no_sbom: Annotated[
        bool, typer.Option("--no-sbom", help="Do not list the software in the images.")
    ] = False,
) -> None:
    """Fetch what the lock says into a folder, list its software, sign it; again: what is new."""
    meant = stack_of(stack, settings)
    size = splitting.size_of(split) if split else None
    sources = sources_of(built, mirror, models, chart, authfile, ca)
    order = Order(
        lock=read_lock(lock or meant.project / LOCK),
        folder=target,
        sources=sources,
        key=signing.read_private_key(key, secret_in(passphrase_file)) if key else None,
        since=read_lock(since) if since else None,
        left_out=without or (),
        software_lists=not no_sbom,
    )
    target.mkdir(parents=True, exist_ok=True)
    stages = Stages()
    with closing(sources), stages.stage("Making the bundle") as tell:
        made, moved = make_bundle(order, tell)
    total = sum(file.size for file in made.files.values())
    out().print(
        f"{target}: {in_units(total)} in {len(made.files)} files, {moved.blobs} fetched anew "
        f"({in_units(moved.bytes)}), {stages.seconds['Making the bundle']:.1f} s"
    )
    if size is not None:
        with stages.stage("Cutting it into parts") as tell:
            parts = splitting.split(target, size, tell)
        out().print(f"{parts[0].parent}: {len(parts)} parts")
    if key is None:
        out().print(
            "not signed; a load refuses it. Sign it: cosign sign-blob --tlog-upload=false --key "
            f"cosign.key --output-signature {target}/bundle.json.sig {target}/bundle.json",
            markup=False,
        )


def key(
    target: Annotated[Path, typer.Option("-o", "--output", help="The folder of the two files.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the key pair that bundles are signed with: bundle.key stays, cosign.pub is given out."""
    private, public = signing.make_key_pair(target, secret_in(passphrase_file))
    out().print(f"{private} signs and stays with you; {public} is what the site checks with")


VERBS: dict[str, Callable[..., None]] = {
    "list": list_,
    "lock": lock,
    "build": build,
    "create": create,
    "load": load,
    "verify": verify,
    "key": key,
    "sign": sign,
}
