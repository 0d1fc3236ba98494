"""`stackyard bundle` on the sealed side: checked, loaded, compared."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stackyard.bundle import signing
from stackyard.bundle.checking import check
from stackyard.bundle.load import Delivery
from stackyard.bundle.load import load as load_bundle
from stackyard.bundle.lock import read_lock
from stackyard.bundle.places import registry_of
from stackyard.bundle.verify import Difference, verify_cluster, verify_registry
from stackyard.commands.bundle_options import (
    LOCK,
    Ca,
    LockFile,
    PasswordFile,
    Plain,
    RegistryName,
    SettingsFile,
    Username,
    access_of,
    in_units,
    stack_of,
)
from stackyard.commands.options import AsJson, StackName
from stackyard.errors import Trouble
from stackyard.progress import Stages, out


def load(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    registry: RegistryName,
    key: Annotated[Path, typer.Option("--key", help="The public key of whoever made it, PEM.")],
    username: Username = None,
    password_file: PasswordFile = None,
    ca: Ca = None,
    plain_http: Plain = False,
    older: Annotated[
        bool, typer.Option("--older", help="Load it though the site has a newer one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a bundle, push what the registry lacks, and read every manifest again."""
    place = registry_of(registry)
    delivery = Delivery(
        folder=folder,
        place=place,
        access=access_of(place.host, username, password_file, ca, plain=plain_http),
        key=signing.read_public_key(key),
        older=older,
    )
    with Stages().stage("Loading the bundle") as tell:
        done = load_bundle(delivery, tell)
    if as_json:
        print(json.dumps(done.told(), indent=2))
        return
    out().print(
        f"{registry} has the bundle of stack {done.manifest.stack} of {done.manifest.made}: "
        f"{len(done.pushed)} items pushed ({in_units(done.bytes)}), all read again and equal; "
        f"checked {done.checked_seconds:.1f} s, pushed {done.pushed_seconds:.1f} s, "
        f"read {done.read_seconds:.1f} s"
    )


def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="A bundle's folder: signature and checksums.")
    ] = None,
    stack: StackName = "dev",
    settings: SettingsFile = None,
    lock: LockFile = None,
    key: Annotated[Path | None, typer.Option("--key", help="The public key, PEM.")] = None,
    registry: Annotated[
        str | None, typer.Option("--registry", help="HOST[:PORT][/PREFIX] to compare with.")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Compare with the images that the nodes hold.")
    ] = False,
    username: Username = None,
    password_file: PasswordFile = None,
    ca: Ca = None,
    plain_http: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Compare a folder with its signature, or the lock with a registry and with the nodes."""
    found: list[Difference] = []
    checked = []
    if folder is not None:
        if key is None:
            message = "--key is not given: the public key by which a bundle is checked"
            raise Trouble(message, f"stackyard bundle verify {folder} --key cosign.pub")
        made = check(folder, signing.read_public_key(key))
        checked.append(f"{folder}: {len(made.files)} files as signed, made {made.made}")
    if registry is not None or cluster:
        meant = stack_of(stack, settings)
        locked = read_lock(lock or meant.project / LOCK)
        if registry is not None:
            place = registry_of(registry)
            access = access_of(place.host, username, password_file, ca, plain=plain_http)
            found += verify_registry(locked, place, access)
            checked.append(f"registry {registry}")
        if cluster:
            found += verify_cluster(locked, meant)
            checked.append(f"the nodes of stack {meant.name}")
    if not checked:
        message = "nothing to verify: no folder, no --registry and no --cluster"
        raise Trouble(message, "stackyard bundle verify --cluster")
    if as_json:
        print(json.dumps({"checked": checked, "differences": [d.told() for d in found]}, indent=2))
    else:
        for line in checked:
            out().print(f"checked {line}", markup=False)
        for difference in found:
            out().print(f"{difference.where}: {difference.what}", markup=False)
        out().print(f"{sum(d.fails for d in found)} differences that matter")
    if any(difference.fails for difference in found):
        raise typer.Exit(1)
