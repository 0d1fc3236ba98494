"""Pure: the order of versions, as each ecosystem has it, and whether a range holds one.

The ranges are those of the OSV schema (https://ossf.github.io/osv-schema/, `affected[].ranges`);
the order of SEMVER is paragraph 11 of https://semver.org.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import total_ordering
from typing import Any

from packaging.version import InvalidVersion, Version

SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
Event = Mapping[str, str]
# of events at one version: what is fixed there may be introduced again, and be the last affected
RANK = {"fixed": 0, "introduced": 1, "last_affected": 2}


class UnreadableVersion(ValueError):
    """A version that its ecosystem does not allow."""


@total_ordering
class Semver:
    """A version of a Go module, pseudo-versions included."""

    def __init__(self, text: str) -> None:
        found = SEMVER.fullmatch(text)
        if found is None:
            raise UnreadableVersion(text)
        self.numbers = tuple(int(part or 0) for part in found.groups()[:3])
        # identifiers of digits come before others, and a release after all before it
        before = found[4]
        self.before: tuple[tuple[bool, int, str], ...] | None = None
        if before is not None:
            self.before = tuple(
                (False, int(each), "") if each.isdecimal() else (True, 0, each)
                for each in before.split(".")
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._key() == other._key()

    def __lt__(self, other: "Semver") -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return (self.numbers, self.before is None, self.before or ())


def _python(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UnreadableVersion(text) from None


ORDERS: dict[str, Callable[[str], Any]] = {"PyPI": _python, "Go": Semver}


def is_affected(ecosystem: str, version: str, affected: Mapping[str, Any]) -> bool:
    """Say whether an entry of `affected` holds a version: by its list, or by one of its ranges."""
    if version in affected.get("versions", ()):
        return True
    order = ORDERS[ecosystem]
    return any(
        _in_range(order, version, each.get("events", ()))
        for each in affected.get("ranges", ())
        if each.get("type") in ("ECOSYSTEM", "SEMVER")  # GIT has commits, not versions
    )


def fixed_in(ecosystem: str, version: str, affected: Mapping[str, Any]) -> str | None:
    """Return the first fixed version after one, None where there is none."""
    order = ORDERS[ecosystem]
    fixes = [
        str(event["fixed"])
        for each in affected.get("ranges", ())
        if each.get("type") in ("ECOSYSTEM", "SEMVER")
        for event in each.get("events", ())
        if "fixed" in event and order(str(event["fixed"])) > order(version)
    ]
    return min(fixes, key=order) if fixes else None


def _in_range(order: Callable[[str], Any], version: str, events: Iterable[Event]) -> bool:
    given = order(version)
    marks = [
        # "0" comes before every version, also before pseudo-versions
        (value != "0", order(value), RANK[kind])
        for event in events
        for kind, value in event.items()
        if kind in RANK
    ]
    inside = False
    for bounded, at, rank in sorted(marks):
        if rank == RANK["introduced"]:
            inside = inside or not bounded or given >= at
        elif given > at or (given == at and rank == RANK["fixed"]):
            inside = False
    return inside
