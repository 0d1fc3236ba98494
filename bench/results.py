"""Keep figures with what they were measured on."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"

Figure = dict[str, float | int | str]


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
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory) / 2**20),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }


def commit() -> str:
    """Return the commit that was measured, marked where the tree differs from it."""
    git = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(git, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def keep(name: str, figures: list[Figure]) -> Path:
    """Print the figures as a table and write them to bench/results/NAME.json."""
    table = Table(title=name)
    for column in figures[0]:
        table.add_column(column, justify="right" if column != "what" else "left")
    for figure in figures:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in figure.values()))
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{name}.json"
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python -m bench {' '.join(sys.argv[1:])}",
        "commit": commit(),
        "machine": machine(),
        "figures": figures,
    }
    target.write_text(json.dumps(record, indent=2) + "\n")
    return target
