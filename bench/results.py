"""Keep figures with what they were measured on."""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """The median of its runs."""

    runs: Sequence[float]
    unit: str

    @property
    def value(self) -> float:
        return statistics.median(self.runs)


Figures = dict[str, Figure]


def figure(value: float, unit: str) -> Figure:
    """Return what was measured once."""
    return Figure((value,), unit)


def machine() -> dict[str, str | int]:
    """Describe this machine: no names, only what moves the figures."""
    rows = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((row.split(":")[1].strip() for row in rows if row.startswith("model name")), "?")
    memory = next(
        row.split()[1]
        for row in Path("/proc/meminfo").read_text().splitlines()
        if row.startswith("MemTotal:")
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 1,
        "memory_gib": round(int(memory) / 2**20),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }


def commit() -> str:
    """Return the commit that was measured, marked where the tree differs from it."""
    # The results themselves are no difference: a run writes them one after the other.
    git = ["git", "status", "--porcelain", "--", ".", ":!bench/results", ":!docs"]
    root = Path(__file__).parents[1]
    done = subprocess.run(git, cwd=root, capture_output=True, text=True, check=False)
    head = ["git", "rev-parse", "--short=10", "HEAD"]
    named = subprocess.run(head, cwd=root, capture_output=True, text=True, check=False)
    return (named.stdout.strip() or "unknown") + ("-dirty" if done.stdout.strip() else "")


def circumstances(command: str) -> dict[str, object]:
    """Return when, by what, of which commit and on what machine something is measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "commit": commit(),
        "machine": machine(),
    }


def record(figures: Figures, **more: object) -> dict[str, object]:
    """Return what is kept of a run; a figure that is not a number is an error."""
    bad = sorted(name for name, each in figures.items() if not math.isfinite(each.value))
    if bad:
        message = f"not a number: {', '.join(bad)}"
        raise ValueError(message)
    return {
        **circumstances(f"python -m bench {' '.join(sys.argv[1:])}".strip()),
        **more,
        "figures": {
            name: {
                "value": _rounded(each.value),
                "unit": each.unit,
                "runs": [_rounded(run) for run in each.runs],
            }
            for name, each in figures.items()
        },
    }


def keep(name: str, kept: Mapping[str, object]) -> Path:
    """Write a record to bench/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{name}.json"
    target.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return target


def show(title: str, figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("what", title=title)
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("runs", justify="right")
    for name, each in figures.items():
        table.add_row(name, f"{each.value:.4g}", each.unit, str(len(each.runs)))
    Console().print(table)


def _rounded(value: float) -> float:
    """Keep four digits: more than any run repeats."""
    return float(f"{value:.4g}")
