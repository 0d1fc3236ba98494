"""Whole backups and what changed since, one after the other: at most some seconds are lost."""

import sys
import time
import urllib.error
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn

from app.backup.archive import BadArchive
from app.backup.fetching import Busy, Keeper, Source, Taken, WholeNeeded
from app.backup.kept import backups, unwanted

FAILURES = (OSError, HTTPException, BadArchive, Busy)
# As long as the service waits for jobs to end before it gives up: they have half of the time.
BUSY_SECONDS = 300.0
STARTING, FOLLOWING, FAILING = "starting", "following", "failing"


class Follower:
    """Keeps a chain going; what was taken and what is due is told by the names that are kept."""

    def __init__(
        self,
        source: Source,
        keeper: Keeper,
        *,
        keep: int,
        whole_every: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`whole_every` is in hours."""
        self._source, self._keeper = source, keeper
        self._keep, self._whole_every, self._now = keep, whole_every, now

    def step(self) -> str | None:
        """Take what is due and return what to say of it; None where nothing changed."""
        kept = backups(self._keeper.names())
        whole = [each for each in kept if not each.more]
        mark = kept[-1].mark if whole else None
        due = mark is None or whole[-1].is_older(self._whole_every, self._now())
        taken = self._whole() if due else None
        # one that holds nothing is not kept, and what went since is told by its mark
        if taken is None and mark is not None:
            taken = self._more(mark, else_whole=not due)
        if taken is None:
            return None
        gone = prune(self._keeper, self._keep)
        return f"{taken.name} {taken.size} bytes, removed {', '.join(gone) or 'none'}"

    def _whole(self) -> Taken | None:
        return self._source.take(self._keeper, even_empty=False)

    def _more(self, mark: str, *, else_whole: bool) -> Taken | None:
        try:
            return self._source.take(self._keeper, mark)
        except WholeNeeded as error:
            if not else_whole:
                return None
            print(error, flush=True)
            return self._whole()


def follow(
    follower: Follower,
    seconds: float,
    *,
    state: Path | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> NoReturn:
    """Step until the process is stopped; `state` is a file that says after each how it went."""
    _tell(state, STARTING)
    while True:
        wait, how = seconds, FOLLOWING
        try:
            if said := follower.step():
                print(said, flush=True)
        except Busy as error:
            print(f"later: {error}", file=sys.stderr, flush=True)
            wait = max(seconds, BUSY_SECONDS)
        except FAILURES as error:
            print(f"no backup was taken: {reason(error)}", file=sys.stderr, flush=True)
            how = FAILING
        _tell(state, how)
        pause(wait)


def _tell(state: Path | None, how: str) -> None:
    if state is not None:
        state.write_text(how)


def prune(keeper: Keeper, keep: int) -> list[str]:
    """Remove all but the newest whole ones, each with what goes on from it; return the names."""
    gone = unwanted(backups(keeper.names()), keep)
    for name in gone:
        keeper.remove(name)
    return gone


def reason(error: Exception) -> str:
    """Return what is told of a failure."""
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    return str(error)
