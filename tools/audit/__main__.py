"""`python -m tools.audit EXPORT...`: holes known to OSV in what we lock, without the network.

Ends with 0 where there is none, 1 for findings, 2 where the export proves nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tools.audit.export import Finding, Unusable, search
from tools.audit.locked import everything
from tools.audit.waivers import Waiver, read_waivers

ROOT = Path(__file__).parents[2]
WAIVERS = Path(__file__).with_name("waivers.toml")
MOST_DAYS = 14


def main(arguments: Sequence[str] | None = None, *, now: datetime | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("export", type=Path, nargs="+", help="zip files or folders of OSV's JSON")
    parser.add_argument("--max-days", type=int, default=MOST_DAYS, help="how old it may be")
    parser.add_argument("--waivers", type=Path, default=WAIVERS)
    parser.add_argument("--root", type=Path, default=ROOT, help="where uv.lock is")
    given = parser.parse_args(arguments)
    now = now or datetime.now(UTC)
    try:
        waivers = read_waivers(given.waivers)
        packages = everything(given.root)
        limit = timedelta(days=given.max_days)
        found, seen = search(given.export, packages, now=now, limit=limit)
    except Unusable as problem:
        print(problem, file=sys.stderr)
        return 2
    for ecosystem, newest in sorted(seen.newest.items()):
        count = sum(package.ecosystem == ecosystem for package in packages)
        known = seen.records[ecosystem]
        print(f"{ecosystem}: {count} locked, {known} records, the newest of {newest:%Y-%m-%d}")
    return _tell(found, waivers, now)


def _tell(found: list[Finding], waivers: list[Waiver], now: datetime) -> int:
    today, used, stopping = now.date(), set[Waiver](), 0
    for finding in found:
        waiver = next((each for each in waivers if each.holds(finding, today)), None)
        package = finding.package
        line = [finding.id, package.name, package.version, f"fixed in {finding.fixed or 'nothing'}"]
        line += [package.file, finding.summary]
        if waiver is None:
            stopping += 1
        else:
            used.add(waiver)
            line.append(f"waived until {waiver.until}: {waiver.reason}")
        print("  ".join(line))
    for each in waivers:
        if each not in used:
            state = "is over" if today > each.until else "waives nothing: remove it"
            print(f"the waiver of {each.id} for {each.package} (until {each.until}) {state}")
    print(f"{len(found)} found, {len(found) - stopping} waived")
    if stopping:
        print("hint: uv lock --upgrade-package NAME, or a waiver in tools/audit/waivers.toml")
    return 1 if stopping else 0


if __name__ == "__main__":
    sys.exit(main())
