"""`stackyard down`: stop and keep, or, when asked for, delete everything."""

import shutil
from typing import Annotated

import typer

from stackyard import machine
from stackyard.bringing_down import delete_everything, stop_everything
from stackyard.commands.options import StackName
from stackyard.errors import Trouble
from stackyard.progress import Stages
from stackyard.project import find


def down(
    stack: StackName = "dev",
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the cluster, the documents, the state.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
) -> None:
    """Stop everything of a stack and keep its data; the next up has it again."""
    chosen = find(stack)
    stages = Stages()
    environment = machine.environment(chosen)
    if shutil.which("pulumi", path=environment["PATH"]) is None:
        stages.say(f"nothing to do: stack {stack} was never brought up on this machine")
        return
    if not delete_data:
        if not chosen.is_local:
            message = f"stack {stack} runs on a cluster that is not ours to stop"
            raise Trouble(
                message, f"stackyard down --delete-data --stack {stack} removes it from there"
            )
        stop_everything(chosen, environment, stages)
        stages.say(f"stopped; the data is kept, stackyard up --stack {stack} brings it back")
        return
    if not yes:
        what = f"delete stack {stack}, its documents and all its data"
        typer.confirm(f"{what}?", abort=True, err=True)
    delete_everything(chosen, environment, stages)
    stages.say(f"stack {stack} is gone, nothing of it is left")
