"""The options of `stackyard bundle`, and what they name."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from stackyard.bundle.access import Access
from stackyard.bundle.lock import Item, Lock, read_lock
from stackyard.bundle.places import registry_of
from stackyard.bundle.resolve import Sources, built_tags
from stackyard.errors import Trouble
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
StandIn = Annotated[
    bool,
    typer.Option(
        "--stand-in", help="For tests: our double of the Kubernetes provider in place of Pulumi's."
    ),
]

Built = Annotated[
    str | None,
    typer.Option("--built", help="HOST/PREFIX of the registry that our own images were pushed to."),
]
Mirror = Annotated[
    str | None,
    typer.Option("--mirror", help="HOST/PREFIX to fetch from in place of the public registries."),
]
Models = Annotated[
    Path | None, typer.Option("--models", help="A folder with the model files of each role.")
]
Authfile = Annotated[
    Path | None,
    typer.Option("--authfile", help="Keys of the registries, as `docker login` keeps them."),
]
Ca = Annotated[Path | None, typer.Option("--ca", help="Certificate of the registry's CA, PEM.")]
Charts = Annotated[
    list[str] | None, typer.Option("--chart", help="NAME=FILE: a chart's archive at hand.")
]
Username = Annotated[str | None, typer.Option("--username", help="Who pushes and reads.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="A file with the bare password.")
]
Plain = Annotated[bool, typer.Option("--plain-http", help="The registry has no TLS.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="A file with the key's passphrase.")
]
RegistryName = Annotated[str, typer.Option("--registry", help="HOST[:PORT][/PREFIX]")]


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


def sources_of(
    built: str | None,
    mirror: str | None,
    models: Path | None,
    chart: list[str] | None,
    authfile: Path | None,
    ca: Path | None,
) -> Sources:
    """Return where the connected side fetches from."""
    return Sources(
        mirror=registry_of(mirror) if mirror else None,
        built=registry_of(built) if built else None,
        built_tags=built_tags() if built else {},
        models=models,
        authfile=authfile or Path("~/.docker/config.json").expanduser(),
        ca=ca,
        charts=charts_at_hand(chart),
    )


def charts_at_hand(given: list[str] | None) -> dict[str, Path]:
    """Return name -> archive of the charts that options name."""
    at_hand = {}
    for each in given or ():
        name, equals, file = each.partition("=")
        if not equals or not Path(file).is_file():
            message = f"--chart is {each!r}: it must be NAME=FILE with a file that is there"
            raise Trouble(message, "--chart gpu-operator=./gpu-operator-v26.7.0.tgz")
        at_hand[name] = Path(file)
    return at_hand


def archive_in(item: Item, at_hand: Mapping[str, Path]) -> bytes | None:
    """Return a chart that lies on this machine, None for another."""
    path = at_hand.get(item.name, Path(item.reference))
    return path.read_bytes() if path.suffix == ".tgz" and path.is_file() else None


def access_of(
    host: str, username: str | None, password_file: Path | None, ca: Path | None, *, plain: bool
) -> Access:
    """Return the access that the options of a sealed registry name."""
    if (username is None) != (password_file is None):
        message = "--username and --password-file go together"
        raise Trouble(message, "--username NAME --password-file FILE")
    if ca is not None and not ca.is_file():
        message = f"--ca is {ca}, which is not a file"
        raise Trouble(message, "--ca FILE with the certificate of the registry's CA in PEM")
    password = secret_in(password_file)
    return Access(host=host, username=username, password=password, ca=ca, plain=plain)


def secret_in(file: Path | None) -> str | None:
    """Return the bare secret that a file holds; None for no file."""
    if file is None:
        return None
    try:
        return file.read_text().strip()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise Trouble(message, "give a file with the bare secret in it") from None


def in_units(size: int | None) -> str:
    """Return bytes for people."""
    if size is None:
        return "?"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
