"""`stackyard backup` and `stackyard restore`: everything that a service holds, as one file."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as Speed

from stackyard.archives import SealedArchive, checked
from stackyard.backing_up import check_free, fetch
from stackyard.buckets import is_address, one
from stackyard.client import Service
from stackyard.commands.options import AsJson, KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.progress import Stages
from stackyard.target import resolve

CHUNK = 2**20


def backup(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; without it, one named by stack and time."),
    ] = None,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Write all documents, chunks, jobs and keys of one moment into a file, and check it.

    The service answers all the while. A stack with the secret backupKeys seals the file; else it
    holds the documents in plain: keep it as you keep them.
    """
    target = resolve(stack, url, key_file)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    file = output or Path(f"stackyard-{stack or 'backup'}-{stamp}.tar")
    check_free(file, "stackyard backup -o")
    stages = Stages()
    with target.service() as service:
        held = fetch(service, file, partial(_shown, stages))
    if output is None and isinstance(held, SealedArchive):
        file = file.rename(f"{file}.sealed")
    size = file.stat().st_size
    stages.say(f"{file}: {held}, {size:,} bytes, checked")
    if as_json:
        print(json.dumps({"file": str(file), "bytes": size, **held.as_json()}, indent=2))


def restore(
    file: Annotated[
        str,
        typer.Argument(
            help="What `stackyard backup` or the schedule wrote, also s3://BUCKET/KEY.",
            metavar="FILE",
        ),
    ],
    plain: Annotated[
        bool,
        typer.Option(
            "--plain", help="Take one that is not sealed, where the stack has backupKeys."
        ),
    ] = False,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Put a backup into a service that holds no document: all of it or nothing."""
    stages = Stages()
    with _here(file) as path:
        checked(path)  # before hours are spent on sending it
        size = path.stat().st_size
        with resolve(stack, url, key_file).service() as service:
            before = _open_keys(service)
            told = service.restore(size, _shown(stages, size, _pieces(path)), plain=plain)
            came = _open_keys(service).items() - before.items()
    stages.say(
        f"{told['documents']} document(s) and {told['points']} chunks of {told['created']} are back"
    )
    if came:
        names = ", ".join(f"{name} ({identity})" for identity, name in sorted(came))
        stages.say(f"keys that open again: {names}; `stackyard keys revoke ID` ends one")
    if as_json:
        print(json.dumps(told, indent=2))


def _open_keys(service: Service) -> dict[str, str]:
    """Return whose each key is that was not revoked, by its id."""
    listed = service.keys()
    return {str(each["id"]): str(each["subject"]) for each in listed if each["revoked"] is None}


@contextmanager
def _here(named: str) -> Iterator[Path]:
    """Give the file; one of a bucket is on this machine only for that time."""
    if is_address(named):
        stored = one(named)
        with ExitStack() as stack:
            try:
                path = stack.enter_context(stored.local())
            except OSError as error:
                message = f"{named}: {error.strerror or error}"
                raise Trouble(message, "TMPDIR must have room for it") from None
            yield path
        return
    path = Path(named)
    if not path.is_file():
        message = f"{path} is not a file"
        raise Trouble(message, "name what `stackyard backup` wrote")
    yield path


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(CHUNK):
            yield piece


def _shown(stages: Stages, size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces; in a terminal a bar goes along."""
    columns = (BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    live = stages.console.is_terminal
    with Progress(*columns, console=stages.console, disable=not live) as bar:
        task = bar.add_task("", total=size)
        for piece in pieces:
            bar.advance(task, len(piece))
            yield piece
