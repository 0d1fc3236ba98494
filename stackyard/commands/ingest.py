"""`stackyard ingest`: files and folders into the service."""

import json
import time
from contextlib import nullcontext
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stackyard import machine, show
from stackyard.bulk import helpers
from stackyard.commands.options import AsJson, Collection, KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.ingestion import Result, collect
from stackyard.ingestion import ingest as send
from stackyard.progress import Stages, out
from stackyard.project import Stack, find
from stackyard.target import DEFAULT_STACK, by_stack, resolve


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders and s3://BUCKET/PREFIX.", metavar="PATH..."),
    ],
    collection: Collection = None,
    readers: Annotated[
        str | None,
        typer.Option(
            "--readers",
            help="Who may read them: everyone, user:NAME, group:NAME, separated by commas.",
        ),
    ] = None,
    bulk: Annotated[
        bool,
        typer.Option("--bulk", help="Bring the stack's helpers up for the load (app.bulkWorkers)."),
    ] = False,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Upload documents, wait until they can be asked about, and list what became of each.

    Run it again whenever you like: what has not changed costs nothing.
    """
    helped = _helped(stack, url) if bulk else None
    collected = collect(paths)
    started = time.monotonic()
    stages = Stages()
    if collected.left_out:
        types = sorted({file.path.suffix or file.name for file in collected.left_out})
        stages.say(f"left out {len(collected.left_out)} file(s) of other types: {' '.join(types)}")
    columns = (
        TextColumn("{task.fields[done]}/{task.fields[files]} files"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %  {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    sizes = {file.name: file.size() for file in collected.files}
    done, chunks = 0, 0
    live = stages.console.is_terminal
    target = by_stack(helped) if helped else resolve(stack, url, key_file)
    brought = helpers(helped, machine.environment(helped), stages.say) if helped else nullcontext(0)
    with (
        target.service() as service,
        brought as beside,
        Progress(*columns, console=stages.console, disable=not live) as bar,
    ):
        # By bytes: a book takes as long as a thousand notes.
        task = bar.add_task(
            "", total=sum(sizes.values()), done=0, files=len(collected.files), rate=""
        )

        def tell(result: Result) -> None:
            nonlocal done, chunks
            done, chunks = done + 1, chunks + result.chunks
            rate = f"{chunks / (time.monotonic() - started):.1f} chunks/s"
            size = sizes.get(result.name, 0)
            bar.update(task, advance=size, description=result.name, done=done, rate=rate)
            if not live:
                stages.say(f"{result.name} {result.status} {result.reason}".rstrip())
                for warning in result.warnings[: show.MOST_WARNINGS]:
                    stages.say(f"{result.name} warning: {warning}")

        sent = send(service, collected.files, collection, tell, readers, helpers=beside)
        results = [*sent, *collected.clashes]
    seconds = time.monotonic() - started
    stages.say(
        f"{done} file(s), {chunks} chunks in {seconds:.1f} s: {chunks / seconds:.1f} chunks/s"
    )
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False))
    else:
        show.results(out(), results)
    if any(result.status != "done" for result in results):
        raise typer.Exit(1)


def _helped(stack: str | None, url: str | None) -> Stack:
    """Return the stack whose helpers are meant."""
    if url is not None:
        message = "--bulk brings up helpers in a stack's cluster, and --url names none"
        raise Trouble(message, "name the stack: --stack NAME")
    return find(stack or DEFAULT_STACK)
