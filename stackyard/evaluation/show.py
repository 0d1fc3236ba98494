"""The figures in a terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from stackyard.evaluation.result import Result
from stackyard.evaluation.statistics import Difference, Figure

MAIN = ("all", "A", "B")


def figures(console: Console, result: Result) -> None:
    """Print each measure over all questions and over both halves, then by group, then seconds."""
    names = list(result.figures["all"])
    table = Table("measure", *(_head(part) for part in MAIN))
    for name in names:
        table.add_row(name, *(written(result.figures[part].get(name)) for part in MAIN))
    console.print(table)
    groups = [part for part in result.figures if part not in MAIN]
    refusals = Table("group", "refused", "answered")
    for group in groups:
        inside = result.figures[group]
        row = (written(inside.get("refusal_recall")), written(inside.get("answered")))
        if set(row) != {""}:
            refusals.add_row(group, *row)
    if refusals.row_count:
        console.print(refusals)
    seconds = Table("stage", "p50 s", "p95 s")
    for stage, latency in result.latency.items():
        seconds.add_row(stage, f"{latency.p50:.3f}", f"{latency.p95:.3f}")
    console.print(seconds)
    failed = sum(outcome.state == "failed" for outcome in result.outcomes)
    if failed:
        console.print(f"{failed} question(s) failed; they count as nothing found")


def changes(console: Console, found: Mapping[str, Difference], shared: int) -> None:
    """Print what changed since the earlier run."""
    table = Table(
        "measure", "change", "better", "worse", "questions", title="against the earlier run"
    )
    for name, change in found.items():
        table.add_row(
            name,
            f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})",
            str(change.better),
            str(change.worse),
            str(change.n),
        )
    console.print(table if found else f"nothing to compare: {shared} questions in both runs")


def written(figure: Figure | None) -> str:
    """Return a figure with its interval and count, or nothing where it was not measured."""
    if figure is None:
        return ""
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n={figure.n}"


def _head(part: str) -> str:
    return "all" if part == "all" else f"half {part}"
