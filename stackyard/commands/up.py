"""`stackyard up`: from whatever is there to a cited answer."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stackyard import samples, show
from stackyard.bringing_up import bring_up
from stackyard.commands.options import AsJson, NoSamples, ShowKey, StackName
from stackyard.progress import Stages, out
from stackyard.project import find


def up(
    stack: StackName = "dev",
    yes: Annotated[bool, typer.Option("--yes", help="The default: nothing is asked.")] = True,
    backup: Annotated[
        Path | None,
        typer.Option("--backup", help="First back up what runs into this file.", metavar="FILE"),
    ] = None,
    no_samples: NoSamples = False,
    show_key: ShowKey = False,
    as_json: AsJson = False,
) -> None:
    """Bring a stack up, add sample documents, ask one question and print how to go on."""
    stages = Stages()
    done = bring_up(find(stack), stages, with_samples=not no_samples, backup=backup)
    line = show.curl(done.target, samples.QUESTION, show_key=show_key)
    if as_json:
        result = {
            "url": done.target.url,
            "curl": line,
            "changed": done.changed,
            "question": samples.QUESTION if done.answer else None,
            "answer": done.answer.raw if done.answer else None,
            "seconds": stages.seconds,
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
        return
    console = out()
    if done.answer is not None:
        console.print(f"\n{samples.QUESTION}", markup=False, style="bold")
        show.answer(console, done.answer)
        console.print()
    console.print(f"url   {done.target.url}", markup=False)
    console.print(f"curl  {line}", markup=False)
