"""`stackyard ingest`: files and folders into the service."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stackyard import show
from stackyard.commands.options import AsJson, Collection, KeyFile, MaybeStack, Url
from stackyard.ingestion import Result, collect
from stackyard.ingestion import ingest as send
from stackyard.progress import Stages, out
from stackyard.target import resolve


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH...")],
    collection: Collection = None,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Upload documents, wait until they can be asked about, and list what became of each."""
    collected = collect(paths)
    stages = Stages()
    if collected.left_out:
        types = sorted({path.suffix or path.name for path in collected.left_out})
        stages.say(f"left out {len(collected.left_out)} file(s) of other types: {' '.join(types)}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    live = stages.console.is_terminal
    with (
        resolve(stack, url, key_file).service() as service,
        Progress(*columns, TimeElapsedColumn(), console=stages.console, disable=not live) as bar,
    ):
        task = bar.add_task("documents", total=len(collected.files))

        def tell(result: Result) -> None:
            bar.update(task, advance=1, description=result.name)
            if not live:
                stages.say(f"{result.name} {result.status} {result.reason}".rstrip())

        results = [*send(service, collected.files, collection, tell), *collected.clashes]
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False))
    else:
        show.results(out(), results)
    if any(result.status != "done" for result in results):
        raise typer.Exit(1)
