"""Start the processes of `serve`, notice when one dies, stop all of them whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from stackyard.errors import Trouble
from stackyard.project import PACKAGE
from stackyard.serving import state
from stackyard.serving.parts import Part

STOP_SECONDS = 20


class Died(Trouble):
    """A process of `serve` ended by itself."""


class Processes:
    """The running processes, in the order in which they were started."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, part: Part) -> None:
        with state.log_file(part.name).open("ab") as log:
            self.running[part.name] = subprocess.Popen(
                [sys.executable, "-m", "stackyard.serving.bound", str(os.getpid()), part.module],
                cwd=PACKAGE,
                env=dict(part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends them through stop(), in order
            )

    def check(self) -> None:
        """Raise Died with the end of the log where a process has ended."""
        for name, process in self.running.items():
            code = process.poll()
            if code is not None:
                path = state.log_file(name)
                tail = "\n".join(path.read_text(errors="replace").strip().splitlines()[-8:])
                message = f"the {name} process ended with {code}; the end of its log:\n{tail}"
                raise Died(message, f"the whole log is in {path}")

    def stop(self) -> None:
        """End the last started first: the app finishes its requests while the others answer."""
        for process in reversed(list(self.running.values())):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[Processes]:
    """Run the processes for the length of the block."""
    processes = Processes()
    try:
        for part in parts:
            processes.start(part)
        yield processes
    finally:
        processes.stop()


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def choose_ports(
    names: Sequence[str], before: Mapping[str, int], app: int | None
) -> dict[str, int]:
    """Return a free port for each name, the one of the last run where that is free."""
    chosen: dict[str, int] = {}
    for name in names:
        if name == "app" and app is not None:
            if not is_free(app):
                message = f"--port is {app}: another process listens there"
                raise Trouble(message, "choose another one, or leave --port out")
            chosen[name] = app
        elif (port := before.get(name, 0)) and is_free(port):
            chosen[name] = port
        else:
            chosen[name] = _any_free(set(chosen.values()))
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_ended(pid: int, seconds: float) -> bool:
    """Say whether a process, not a child of ours, ended in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def _any_free(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
