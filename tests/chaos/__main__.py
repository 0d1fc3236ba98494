"""`python -m tests.chaos [NAME...] [--scale N] [--json FILE]`: break it on purpose, then look.

Faults are real ones, of connections, processes and disks; the models and Qdrant behind the app
are the doubles of the integration tests.
"""

import argparse
import json
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.seen import Seen


def main() -> int:
    """Print promise and finding of each scenario; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[each.name for each in SCENARIOS] + [[]])
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    chosen = [each for each in SCENARIOS if not given.names or each.name in given.names]
    table = Table("row", "scenario", "promised", "seen", "")
    found: dict[str, Seen] = {}
    for scenario in chosen:
        if lacking := scenario.lacking():
            table.add_row(scenario.row, scenario.name, scenario.promise, lacking, "skipped")
            continue
        print(f"{scenario.name} ...", file=sys.stderr, flush=True)
        seen = run(scenario, given.scale)
        found[scenario.name] = seen
        verdict = "kept" if seen.kept else "BROKEN"
        table.add_row(scenario.row, scenario.name, scenario.promise, seen.said, verdict)
    Console().print(table)
    if given.json:
        earlier = json.loads(given.json.read_text())["scenarios"] if given.json.exists() else {}
        record = report(earlier, found, given.scale)
        given.json.write_text(json.dumps(record, indent=2) + "\n")
    return 0 if all(each.kept for each in found.values()) else 1


def run(scenario: Scenario, scale: int) -> Seen:
    """Run one scenario in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return scenario.run(Path(folder), scale)


def report(
    earlier: dict[str, dict[str, object]], found: dict[str, Seen], scale: int
) -> dict[str, object]:
    """Return what `make figures` keeps: what was run now in place of what was run earlier."""
    how = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    seen_now = {
        name: {
            "kept": seen.kept,
            "seen": seen.said,
            **seen.figures,
            "command": f"python -m tests.chaos {name} --scale {scale}",
            **how,
        }
        for name, seen in found.items()
    }
    return {"scenarios": {**earlier, **seen_now}}


if __name__ == "__main__":
    sys.exit(main())
