"""`stackyard doctor`: what is missing for a stack, why it matters, and the command that helps."""

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from stackyard.checks.finding import Finding
from stackyard.checks.timeline import Stage
from stackyard.commands.options import AsJson, StackName
from stackyard.examining import findings_of, timeline_of
from stackyard.progress import out
from stackyard.project import find

MARKS = {
    "ok": "[green]ok[/green]",
    "problem": "[red]problem[/red]",
    "unknown": "[yellow]unknown[/yellow]",
}


TryPod = Annotated[
    bool, typer.Option("--try-pod", help="also run a pod on a GPU node: its pull and its card")
]


def doctor(stack: StackName = "dev", as_json: AsJson = False, try_pod: TryPod = False) -> None:
    """Check what a stack needs before `up`, and say how far it is after."""
    meant = find(stack)
    findings = list(findings_of(meant, try_pod=try_pod))
    stages = timeline_of(meant)
    if as_json:
        report = {
            "stack": meant.name,
            "findings": [finding.as_json() for finding in findings],
            "timeline": [stage.as_json() for stage in stages],
        }
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(findings, stages)
    stuck = any(stage.state == "stuck" for stage in stages)
    if stuck or any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)


def _print(findings: list[Finding], stages: list[Stage]) -> None:
    table = Table("what", "", "found", "why", "next")
    for finding in findings:
        table.add_row(
            finding.check,
            MARKS[finding.status],
            *(escape(text) for text in (finding.what, finding.why, finding.fix)),
        )
    out().print(table)
    if not stages:
        return
    table = Table("stage", "of", "", "took", "cause", "next")
    for stage in stages:
        took = "" if stage.seconds is None else f"{stage.seconds:.0f} s"
        table.add_row(
            stage.stage, stage.subject, stage.state, took, escape(stage.cause), escape(stage.fix)
        )
    out().print(table)
