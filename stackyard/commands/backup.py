"""`stackyard backup` and `stackyard restore`: everything that a service holds, as one file."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as Speed

from stackyard.archives import SealedArchive
from stackyard.backing_up import check_free, fetch
from stackyard.client import Service
from stackyard.commands.options import AsJson, KeyFile, MaybeStack, Url
from stackyard.progress import Stages
from stackyard.restoring import chosen
from stackyard.target import resolve


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
    place: Annotated[
        str,
        typer.Argument(
            help="What `stackyard backup` wrote, or the folder that the schedule writes into: its"
            " newest backup and what goes on from it. Also s3://BUCKET/KEY and s3://BUCKET/PREFIX.",
            metavar="FILE|FOLDER",
        ),
    ],
    at: Annotated[
        str | None,
        typer.Option(
            "--at", help="The moment to go back to, 2026-11-27T10:15:00Z.", metavar="MOMENT"
        ),
    ] = None,
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
    with chosen(place, at, stages.say) as files, resolve(stack, url, key_file).service() as service:
        before = _open_keys(service)
        shown = _shown(stages, files.size, files.pieces())
        told = service.restore(files.size, shown, several=files.several, plain=plain)
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


def _shown(stages: Stages, size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces; in a terminal a bar goes along."""
    columns = (BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    live = stages.console.is_terminal
    with Progress(*columns, console=stages.console, disable=not live) as bar:
        task = bar.add_task("", total=size)
        for piece in pieces:
            bar.advance(task, len(piece))
            yield piece
