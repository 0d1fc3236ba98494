"""The last result in docs/concepts/performance.md, between two marks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.engine.report import END_TO_END, NAME, PLOTS
from bench.engine.table import COLUMNS, rows
from bench.results import RESULTS

PAGE = Path(__file__).parents[1] / "docs/concepts/performance.md"
BEGIN = "<!-- written by `python -m bench page`: begin -->"
END = "<!-- written by `python -m bench page`: end -->"


def write() -> Path:
    """Put the last result into the page."""
    PAGE.write_text(renewed(PAGE.read_text(), result()))
    return PAGE


def result() -> str:
    """Return the section of the result in bench/results, or that there is none."""
    path, slower = RESULTS / f"{NAME}.json", RESULTS / f"{END_TO_END}.json"
    if not path.exists():
        return "No run is kept in this tree yet: `make bench` makes one."
    text = section(json.loads(path.read_text())) + "\n\n" + _pictures()
    if slower.exists():
        text += f"\n\n### With a slower model\n\n{section(json.loads(slower.read_text()))}"
    return text


def renewed(page: str, text: str) -> str:
    """Return the page with this text between the marks."""
    head, begun, rest = page.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not begun or not ended:
        message = f"the page lacks {BEGIN} or {END}\nhint: git checkout {PAGE.name}"
        raise ValueError(message)
    return f"{head}{BEGIN}\n\n{text.strip()}\n\n{END}{tail}"


def section(kept: Mapping[str, Any]) -> str:
    """Return a result as Markdown: machine and date, the table, the pictures, the figures."""
    machine = kept["machine"]
    lines = [
        f"{kept['date']}, commit `{kept['commit']}`, `{kept['command']}`, on {machine['cores']} "
        f"cores of {machine['cpu']} with {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"Python {machine['python']}. A free engine would answer in {kept['ideal_ms']:.0f} ms.",
        "",
        *_table(COLUMNS, rows(kept)),
        "",
    ]
    lines += ["", *_table(("figure", "value", "unit", "runs"), _figures(kept)), ""]
    if kept["void"]:
        lines.append(f"Void, because the core of the stub services was too busy: {_names(kept)}.")
    return "\n".join(lines)


def _pictures() -> str:
    return "\n".join(
        f"![{title}, {unit}](../../bench/results/{file}.svg)"
        for file, (title, _, unit) in PLOTS.items()
        if (RESULTS / f"{file}.svg").exists()
    )


def _figures(kept: Mapping[str, Any]) -> list[list[str]]:
    return [
        [f"`{name}`", f"{each['value']:.4g}", each["unit"], str(len(each["runs"]))]
        for name, each in kept["figures"].items()
    ]


def _names(kept: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in kept["void"])


def _table(head: tuple[str, ...], body: list[list[str]]) -> list[str]:
    ruler = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(row)} |" for row in (list(head), ruler, *body)]
