"""An export of OSV as it is handed out: zip files or folders of JSON, one record each."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tools.audit.locked import Locked, normal
from tools.audit.versions import ORDERS, UnreadableVersion, fixed_in, is_affected


class Unusable(Exception):
    """The export proves nothing; the text says why, and what to do."""


@dataclass(frozen=True)
class Finding:
    """One known hole in one locked package."""

    id: str
    aliases: frozenset[str]
    package: Locked
    fixed: str | None
    summary: str

    @property
    def names(self) -> frozenset[str]:
        return self.aliases | {self.id}


@dataclass
class Seen:
    """What was read: how many records of each ecosystem, and when the newest was changed."""

    records: dict[str, int] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)

    def add(self, ecosystem: str, modified: datetime) -> None:
        self.records[ecosystem] = self.records.get(ecosystem, 0) + 1
        self.newest[ecosystem] = max(modified, self.newest.get(ecosystem, modified))


def search(
    paths: Iterable[Path], packages: Iterable[Locked], *, now: datetime, limit: timedelta
) -> tuple[list[Finding], Seen]:
    """Return each hole once, whatever names it has, and what was read.

    Raises Unusable for an export that is older than the limit, or lacks an ecosystem of ours: an
    audit that finds nothing in nothing is none.
    """
    ours: dict[tuple[str, str], list[Locked]] = {}
    for package in packages:
        ours.setdefault((package.ecosystem, package.name), []).append(package)
    seen, found = Seen(), list[Finding]()
    for where, record in records(paths):
        modified = _time(record, where)
        entries = [each for each in record.get("affected", ()) if isinstance(each, dict)]
        for ecosystem in {_ecosystem(each) for each in entries} & ORDERS.keys():
            seen.add(ecosystem, modified)
        if record.get("withdrawn") is None:
            found += _findings(record, entries, ours)
    _refuse_old({ecosystem for ecosystem, _ in ours}, seen, now, limit)
    return _once(found), seen


def records(paths: Iterable[Path]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place and the content of each record. Raises Unusable for what is none."""
    for path in paths:
        if not path.exists():
            message = f"{path} is not there\nhint: SECURITY.md says where an export comes from"
            raise Unusable(message)
        if path.is_dir():
            files = sorted(path.rglob("*.json")) + sorted(path.rglob("*.zip"))
            yield from records(files)
        elif path.suffix == ".zip":
            try:
                with zipfile.ZipFile(path) as zipped:
                    for name in zipped.namelist():
                        if name.endswith(".json"):
                            yield f"{path}:{name}", _read(zipped.read(name), f"{path}:{name}")
            except zipfile.BadZipFile as error:
                message = f"{path} is cut or no zip: {error}\nhint: fetch the export again"
                raise Unusable(message) from None
        else:
            yield str(path), _read(path.read_bytes(), str(path))


def _read(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        read = json.loads(content)
    except ValueError:
        read = None
    if isinstance(read, dict) and isinstance(read.get("id"), str):
        return read
    message = f"{where} is no record of OSV\nhint: fetch the export again"
    raise Unusable(message)


def _time(record: Mapping[str, Any], where: str) -> datetime:
    try:
        return datetime.fromisoformat(str(record["modified"])).astimezone(UTC)
    except (KeyError, ValueError):
        message = f"{where} does not say when it was modified\nhint: fetch the export again"
        raise Unusable(message) from None


def _ecosystem(affected: Mapping[str, Any]) -> str:
    # `Debian:12` is Debian's twelfth
    return str(affected.get("package", {}).get("ecosystem", "")).partition(":")[0]


def _findings(
    record: Mapping[str, Any],
    entries: Iterable[Mapping[str, Any]],
    ours: Mapping[tuple[str, str], list[Locked]],
) -> Iterator[Finding]:
    for entry in entries:
        ecosystem, name = _ecosystem(entry), str(entry.get("package", {}).get("name", ""))
        key = (ecosystem, normal(name) if ecosystem == "PyPI" else name)
        for package in ours.get(key, ()):
            try:
                if not is_affected(ecosystem, package.version.removeprefix("v"), entry):
                    continue
                fixed = fixed_in(ecosystem, package.version, entry)
            except UnreadableVersion as unreadable:
                # it may be ours that is affected: better told than left out
                fixed = f"unknown: '{unreadable}' is no version of {ecosystem}"
            aliases = frozenset(str(each) for each in record.get("aliases", ()))
            summary = str(record.get("summary") or record.get("details", "")).partition("\n")[0]
            yield Finding(str(record["id"]), aliases, package, fixed, summary)


def _refuse_old(needed: set[str], seen: Seen, now: datetime, limit: timedelta) -> None:
    problems = []
    for ecosystem in sorted(needed):
        newest = seen.newest.get(ecosystem)
        if newest is None:
            problems.append(f"it has no record of {ecosystem}")
        elif now - newest > limit:
            days = (now - newest).days
            problems.append(
                f"its newest record of {ecosystem} is of {newest:%Y-%m-%d}, {days} days ago; "
                f"{limit.days} are allowed"
            )
    if problems:
        raise Unusable(
            "the export proves nothing: " + "; ".join(problems) + "\n"
            "hint: fetch it again; SECURITY.md says from where"
        )


def _once(found: Iterable[Finding]) -> list[Finding]:
    """Return one finding of those that are the same hole by other names: GHSA, PYSEC, CVE."""
    kept: list[Finding] = []
    for each in sorted(found, key=lambda one: (one.package, one.fixed is None, one.id)):
        same = [one for one in kept if one.package == each.package and one.names & each.names]
        if not same:
            kept.append(each)
    return kept
