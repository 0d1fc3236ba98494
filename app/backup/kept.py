"""The names of backups where they are kept: they sort by time and tell what goes on from what."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.backup.sealing import PLAIN, SEALED

PREFIX, MORE = "stackyard-", ".more"
NAME = re.compile(
    rf"{PREFIX}(?P<mark>(?P<second>\d{{8}}T\d{{6}})(\d{{3}})?Z(?P<own>-[0-9a-f]{{8}})?)"
    rf"(?P<more>{re.escape(MORE)})?({re.escape(PLAIN)}|{re.escape(SEALED)})"
)


@dataclass(frozen=True, order=True)
class Kept:
    """A backup by its name; `mark` is None for one from before there were any."""

    name: str
    mark: str | None
    moment: datetime
    more: bool  # it goes on from the one before it

    def is_older(self, hours: float, now: datetime) -> bool:
        return now - self.moment > timedelta(hours=hours)


def new_mark(moment: datetime) -> str:
    """Return a mark of its own for a backup of this moment, in UTC."""
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03}Z-{secrets.token_hex(4)}"


def name_of(mark: str, *, more: bool, plain: bool) -> str:
    """Return the name of the backup of a mark."""
    return f"{PREFIX}{mark}{MORE if more else ''}{PLAIN if plain else SEALED}"


def backups(names: Iterable[str]) -> list[Kept]:
    """Return those of the names that are backups, the oldest first."""
    found = []
    for name in names:
        if told := NAME.fullmatch(name):
            moment = datetime.strptime(told["second"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            mark = told["mark"] if told["own"] else None
            found.append(Kept(name, mark, moment, told["more"] is not None))
    return sorted(found)


def unwanted(kept: Iterable[Kept], keep: int) -> list[str]:
    """Return what goes so that the newest whole ones stay, the newest of it first.

    Those that go on from a whole one go with it, and none goes before what goes on from it.
    """
    found = sorted(kept)
    whole = [each for each in found if not each.more]
    if len(whole) <= keep:
        return []
    return [each.name for each in reversed(found) if each < whole[-keep]]
