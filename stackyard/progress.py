"""Stages of a long command on stderr: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.markup import escape
from rich.status import Status

Tell = Callable[[str], None]
PLAIN_EVERY_SECONDS = 20


class Stages:
    """Says which stage runs, what it is doing and how long each took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, *, shows_itself: bool = False) -> Iterator[Tell]:
        """Run one stage; what the body tells is shown beside the stage's name.

        One that shows itself has progress bars of its own, beside which no line may move.
        """
        start = said = time.monotonic()
        live = self.console.is_terminal and not shows_itself
        if not live:
            self.console.print(f"{escape(name)} ...")
        status = Status(escape(name), console=self.console) if live else None

        def tell(text: str) -> None:
            nonlocal said
            now = time.monotonic()
            if status is not None:
                status.update(f"{escape(name)} [dim]{now - start:.0f} s  {escape(text)}[/dim]")
            elif not shows_itself and now - said >= PLAIN_EVERY_SECONDS:
                said = now
                line = f"{escape(name)}: {now - start:.0f} s  {escape(text)}"
                self.console.print(line, soft_wrap=True)

        try:
            with status or nullcontext():
                yield tell
        except BaseException:
            self.console.print(f"[red]✗[/red] {escape(name)} {time.monotonic() - start:.1f} s")
            raise
        took = time.monotonic() - start
        self.seconds[name] = round(took, 2)
        self.console.print(f"[green]✓[/green] {escape(name)} [dim]{took:.1f} s[/dim]")

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self.console.print(escape(text), soft_wrap=True)


def out() -> Console:
    """Return the console of results: stdout, never wrapped where it is not a terminal."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=True)
