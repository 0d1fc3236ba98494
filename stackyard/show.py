"""How answers, documents and ready commands look in a terminal."""

import json
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stackyard.ingestion import Result
from stackyard.replies import Answer, Json
from stackyard.target import Target

MOST_WARNINGS = 5
COLORS = {"done": "green", "refused": "yellow", "failed": "red"}


def answer(console: Console, given: Answer, *, with_text: bool = True) -> None:
    """Print the answer and, under it, each citation: document, page and quote."""
    if with_text:
        console.print(escape(given.text))
    for citation in given.citations:
        quote = " ".join(citation.quote.split())
        console.print(f"  [{citation.n}] {citation.document}, page {citation.page}", markup=False)
        console.print(f"      “{quote}”", markup=False, style="dim")


def results(console: Console, taken: list[Result]) -> None:
    table = Table("file", "outcome", "chunks", "reason")
    for result in taken:
        color = COLORS.get(result.status, "white")
        table.add_row(
            escape(result.name),
            f"[{color}]{escape(result.status)}[/{color}]",
            str(result.chunks),
            escape("\n".join([result.reason] * bool(result.reason) + _warned(result.warnings))),
        )
    console.print(table)


def _warned(warnings: tuple[str, ...]) -> list[str]:
    """Return the first warnings, and how many more there are."""
    more = [f"and {len(warnings) - MOST_WARNINGS} more"] if len(warnings) > MOST_WARNINGS else []
    return [f"warning: {each}" for each in warnings[:MOST_WARNINGS]] + more


def status(console: Console, found: Json) -> None:
    """Print what `stackyard status` found: the facts, then the pods and the images."""
    tables = {"pods": _pods, "inventory": _images}
    facts = Table(show_header=False)
    for name, value in found.items():
        if name not in tables:
            lines = value if isinstance(value, list) else [value]
            facts.add_row(name, escape("\n".join(_cell(line) for line in lines)))
    console.print(facts)
    for name, table in tables.items():
        if isinstance(rows := found.get(name), list) and rows:
            console.print(table(rows))


def _pods(rows: list[Json]) -> Table:
    columns = ("namespace", "name", "phase", "ready", "restarts")
    table = Table("namespace", "pod", "phase", "ready", "restarts")
    for row in rows:
        if "error" in row:
            table.add_row(escape(str(row["namespace"])), escape(str(row["error"])))
        else:
            table.add_row(*(escape(str(row[column])) for column in columns))
    return table


def _images(rows: list[Json]) -> Table:
    table = Table("image", "reference")
    for row in rows:
        table.add_row(escape(str(row["name"])), escape(str(row["image"])))
    return table


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "  ".join(f"{name} {_cell(each)}" for name, each in value.items())
    return str(value)


def curl(target: Target, question: str, *, show_key: bool) -> str:
    """Return a line that anyone can paste into a shell; the key is fetched when it runs."""
    parts = [f"curl -s {target.url}/query/run"]
    if target.ca is not None:
        parts.append(f"--cacert <({ourselves()} ca{target.options})")
    if target.key is not None:
        key = target.key if show_key else f"$({ourselves()} key{target.options})"
        parts.append(f'-H "Authorization: Bearer {key}"')
    body = shlex.quote(json.dumps({"question": question}))
    return " ".join([*parts, "-H 'Content-Type: application/json'", f"-d {body}"])


def ourselves() -> str:
    """Return how this command is called from the current folder."""
    if shutil.which("stackyard"):
        return "stackyard"
    script = Path(sys.executable).with_name("stackyard")
    if not script.exists():
        return f"{sys.executable} -m stackyard"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)
