"""`stackyard accept`: the journey that proves a stack, with a report."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from stackyard import accept as journey
from stackyard import machine
from stackyard.commands.options import AsJson, KeyFile, MaybeStack, Url
from stackyard.engine import Engine
from stackyard.in_cluster import Job
from stackyard.progress import Stages, out
from stackyard.project import find
from stackyard.replies import Json
from stackyard.target import from_outputs, resolve


def accept(
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
    from_here: Annotated[
        bool, typer.Option("--from-here", help="Run a stack's from this machine, not as a Job.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report there, as JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload, ask, check each quote on its page, delete, ask again; report every step.

    A stack's journey runs as a Job beside its service, any other from this machine.
    """
    stages = Stages()
    with stages.stage("acceptance") as tell:
        if stack is None:
            target = resolve(stack, url, key_file)
            done = journey.run(
                target.url,
                target.key,
                stack=target.label,
                inventory=None,
                tell=tell,
                trust=target.trust,
            ).as_json()
        else:
            chosen = find(stack)
            environment = machine.environment(chosen)
            outputs = Engine(chosen, environment).outputs()
            target = from_outputs(chosen, outputs)
            inventory = _inventory(outputs)
            if from_here:
                done = journey.run(
                    target.url,
                    target.key,
                    stack=stack,
                    inventory=inventory,
                    tell=tell,
                    trust=target.trust,
                ).as_json()
            else:
                done = Job(chosen, environment).run(target.key, inventory, tell)
    text = json.dumps(done, indent=2, ensure_ascii=False)
    if report is not None:
        report.write_text(text + "\n")
    if as_json:
        print(text)
    else:
        _print(done)
    if not done["passed"]:
        raise typer.Exit(1)


def _inventory(outputs: dict[str, object]) -> list[Json]:
    listed = outputs.get("inventory")
    return [dict(entry) for entry in listed] if isinstance(listed, list) else []


def _print(report: Json) -> None:
    table = Table("step", "", "seconds", "shown by")
    steps = report["steps"]
    for step in steps if isinstance(steps, list) else []:
        mark = "[green]passed[/green]" if step["passed"] else "[red]failed[/red]"
        table.add_row(step["name"], mark, f"{step['seconds']:.1f}", escape(step["said"]))
    out().print(table)
