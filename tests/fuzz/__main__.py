"""`python -m tests.fuzz [--inputs N] [--parser NAME] [--json FILE]`: odd inputs for every parser.

An input is made from seed, parser and number: `--seed S --parser NAME --show NUMBER` prints it.
"""

import argparse
import json
import math
import os
import platform
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.fuzz.parsers import parsers, scratch
from tests.fuzz.running import BATCH, MEMORY, SECONDS, Tally, fuzzed, input_of

ROUND = BATCH


def main() -> int:
    """Print what came of each parser's inputs; 1 where one crashed or raised what it may not."""
    given = _arguments()
    began = time.monotonic()
    tallies: dict[str, Tally] = {}
    with scratch() as folder:
        chosen = [each for each in parsers(Path(folder)) if given.parser in (None, each.name)]
        if not chosen:
            print(f"{given.parser!r} is no parser of these", file=sys.stderr)
            return 2
        if given.show is not None:
            sys.stdout.buffer.write(input_of(chosen[0], given.seed, given.show))
            return 0
        # By rounds, so that a run that is short of time has some of each.
        each = max(1, math.ceil(given.inputs / len(chosen)))
        for begin in range(0, each, ROUND):
            for parser in chosen:
                if given.seconds and time.monotonic() - began > given.seconds:
                    break
                count = min(ROUND, each - begin)
                found = fuzzed(parser, count, given.seed, Path(folder), begin)
                _add(tallies.setdefault(parser.name, Tally()), found)
                for line in (*found.crashes, *found.raised):
                    print(f"{parser.name}: {line}", flush=True)
    report = _report(tallies)
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if given.json:
        given.json.write_text(text)
    return 0 if all(each.clean for each in tallies.values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all parsers together")
    parser.add_argument("--parser", help="one of them by its name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="begin no round after these")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="print an input")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _add(total: Tally, found: Tally) -> None:
    total.inputs += found.inputs
    total.taken += found.taken
    total.refused += found.refused
    total.raised += found.raised
    total.crashes += found.crashes
    total.slowest = max(total.slowest, found.slowest)
    total.most_mb = max(total.most_mb, found.most_mb)


def _report(tallies: dict[str, Tally]) -> dict[str, object]:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "command": " ".join(["python -m tests.fuzz", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "inputs": sum(each.inputs for each in tallies.values()),
        "crashes": sum(len(each.crashes) for each in tallies.values()),
        "raised": sum(each.raised.total() for each in tallies.values()),
        "caps": {"seconds": SECONDS, "mb": MEMORY // 2**20},
        "cpu_seconds": round(sum(each.ru_utime + each.ru_stime for each in used)),
        "parsers": {
            name: {
                "inputs": each.inputs,
                "taken": each.taken,
                "refused": each.refused,
                "raised": dict(each.raised.most_common(5)),
                "crashes": each.crashes[:20],
                "slowest_seconds": round(each.slowest, 3),
                "most_mb": each.most_mb,
            }
            for name, each in tallies.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
