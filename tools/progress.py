"""Say what takes long: one moving line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

PLAIN_EVERY_SECONDS = 20.0
TRUSTED_SHARE = 0.05  # below it, the first packages say little about the rest


class Stage:
    """One long step; `update` takes the share that is done, from 0 to 1."""

    def __init__(self, title: str, expected: float, progress: Progress | None) -> None:
        self._title = title
        self._expected = expected
        self._progress = progress
        self._task = progress.add_task(title, total=1.0) if progress else TaskID(0)
        self._start = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def update(self, share: float) -> None:
        """Show the share that is done and what that says about the rest."""
        share = min(max(share, 0.0), 1.0)
        if self._progress is not None:
            title = f"{self._title}{self._left(share)}"
            self._progress.update(self._task, completed=share, description=title)
        elif time.monotonic() - self._said >= PLAIN_EVERY_SECONDS:
            self._said = time.monotonic()
            say(f"{self._title}: {share:.0%}{self._left(share)}")

    def _left(self, share: float) -> str:
        left = self._expected - self.seconds
        if share >= TRUSTED_SHARE:
            left = self.seconds / share * (1 - share)
        return f", about {left:.0f} s left" if left >= 1 else ""


@contextmanager
def stage(title: str, expected: float = 0) -> Iterator[Stage]:
    """Show a step while it runs; `expected` is its duration in seconds on two idle cores."""
    console = Console(stderr=True)
    if not console.is_terminal:
        say(f"{title} (about {expected:.0f} s)" if expected >= 5 else title)
        current = Stage(title, expected, None)
        with _told(current, title):
            yield current
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        current = Stage(title, expected, progress)
        with _told(current, title):
            yield current


@contextmanager
def _told(current: Stage, title: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        say(f"{title}: stopped after {current.seconds:.1f} s")
        raise
    say(f"{title}: {current.seconds:.1f} s")


def say(line: str) -> None:
    """Print one line for the person who waits; standard output stays for results."""
    print(line, file=sys.stderr, flush=True)
