"""Runs other programs for the resources that this program makes itself."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LAST_LINES = 15


class Trouble(Exception):
    """Something that the person at the keyboard can do something about; ends in a hint."""

    __module__ = "builtins"  # the engine prints the full name

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\nhint: {hint}")


class CommandFailed(Trouble):
    """A program ended with an error; `said` is all that it printed."""

    __module__ = "builtins"

    def __init__(self, command: str, said: str, hint: str) -> None:
        tail = "\n".join(said.strip().splitlines()[-LAST_LINES:])
        super().__init__(f"`{command}` failed:\n{tail}", hint)
        self.said = said


def run(
    *command: str | Path,
    hint: str,
    given: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what a program printed, or raise with its last lines and the next step."""
    words = [str(word) for word in command]
    shown = " ".join(words[:4]) + (" ..." if len(words) > 4 else "")
    try:
        done = subprocess.run(
            words,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            cwd=cwd,
            env=environment,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        message = f"{words[0]} is not on PATH"
        raise Trouble(message, "make tools, or through our command: stackyard up") from None
    if done.returncode:
        if "Cannot connect to the Docker daemon" in done.stderr:
            message = "Docker does not answer"
            raise Trouble(message, "start Docker and run the same command again") from None
        if "no space left on device" in done.stderr.lower():
            message = f"`{shown}` found the disk full"
            raise Trouble(message, "free some space (docker system df) and run it again") from None
        raise CommandFailed(shown, done.stdout + done.stderr, hint)
    return done.stdout


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let Trouble reach the person without a traceback.

    The engine's server for dynamic providers answers an error with Python's traceback of it. Only
    there the traceback is cut: in the program's process Pulumi itself reads the stack by it.
    """
    ours = _serves_providers()
    if ours:
        sys.tracebacklimit = 1000  # Python's own default, after the last Trouble
    try:
        yield
    except Trouble:
        if ours:
            sys.tracebacklimit = 0
        raise


def _serves_providers() -> bool:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name == "pulumi.dynamic.__main__"
