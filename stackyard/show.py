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
from stackyard.replies import Answer
from stackyard.target import Target

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
            escape(result.reason),
        )
    console.print(table)


def curl(target: Target, question: str, *, show_key: bool) -> str:
    """Return a line that anyone can paste into a shell; the key is fetched when it runs."""
    parts = [f"curl -s {target.url}/query/run"]
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
