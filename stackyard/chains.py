"""Backups in one place: a whole one and those that go on from it, up to a moment.

The schedule gives the names (app/backup/kept.py); the service checks that each goes on from the one
before it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from stackyard.errors import Trouble

NAME = re.compile(
    r"stackyard-(\d{8}T\d{6})(\d{3})?Z(?:-[0-9a-f]{8})?(?P<more>\.more)?\.tar(?:\.sealed)?"
)


@dataclass(frozen=True, order=True)
class Kept:
    """A backup by its name, which sorts by time; `more` goes on from the one before it."""

    name: str
    moment: datetime
    more: bool


def kept(name: str) -> Kept | None:
    """Return what a name tells; None where it is of no backup."""
    told = NAME.fullmatch(name)
    if told is None:
        return None
    moment = datetime.strptime(f"{told[1]}{told[2] or '000'}", "%Y%m%dT%H%M%S%f")
    return Kept(name, moment.replace(tzinfo=UTC), told["more"] is not None)


def chain(place: str, names: Iterable[str], at: datetime | None) -> list[Kept]:
    """Return the newest whole backup, or the newest before `at`, and all that goes on from it.

    Raises Trouble where there is none.
    """
    found = sorted(each for name in names if (each := kept(name)) is not None)
    until = [each for each in found if at is None or each.moment <= at]
    first = next((n for n in reversed(range(len(until))) if not until[n].more), None)
    if first is None:
        when = "" if at is None else f" from before {at:%Y-%m-%dT%H:%M:%SZ}"
        whole = next((each for each in found if not each.more), None)
        message = f"{place} has no whole backup{when}"
        if whole is None:
            raise Trouble(message, "name a file, or what the schedule writes into")
        raise Trouble(message, f"the first is {whole.name}: give a moment after it")
    return until[first:]


def moment_of(text: str) -> datetime:
    """Return a moment as it was typed; without an offset it is UTC. Raises Trouble."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"--at is {text!r}, which is no moment"
        raise Trouble(message, "--at 2026-11-27T10:15:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
