"""Run the service as processes on this machine until it is told to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stackyard.client import Service
from stackyard.errors import Trouble
from stackyard.progress import Stages, Tell
from stackyard.project import PACKAGE
from stackyard.serving import state
from stackyard.serving.parts import NAMES, parts, weights_are_there, weights_dir
from stackyard.serving.processes import Processes, choose_ports, running, wait_until_ended
from stackyard.target import Target

READY_SECONDS = 120.0
STOP_SECONDS = 60.0


@contextmanager
def serving(stages: Stages, port: int | None) -> Iterator[tuple[Target, Processes]]:
    """Hold a ready service for the length of the block; afterwards no process of it is left."""
    with state.held():
        state.prepare()
        if not weights_are_there():
            with stages.stage("model weights"):
                _fetch_weights()
        before = state.last()
        ports = choose_ports(NAMES, before.ports if before else {}, port)
        url = f"http://127.0.0.1:{ports['app']}"
        with running(parts(ports)) as processes:
            target = Target(url, state.app_key_file().read_text().strip(), "serve", "")
            with stages.stage("processes") as tell, target.service() as service:
                _wait_ready(service, processes, tell)
            state.record(url, ports)
            try:
                yield target, processes
            finally:
                state.record_ended()


def start_in_background(arguments: list[str]) -> None:
    """Start `stackyard serve` apart from this terminal and return when it is ready."""
    state.prepare()
    log = state.log_file("serve")
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "stackyard", "serve", *arguments],
            cwd=PACKAGE,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    while (found := state.running()) is None or found.pid != process.pid:
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip()
            message = f"serve ended with {process.returncode}:\n{said}"
            raise Trouble(message, f"the logs are in {log.parent}")
        time.sleep(0.1)


def stop() -> bool:
    """End the running `serve`; say whether there was one."""
    found = state.running()
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    if not wait_until_ended(found.pid, STOP_SECONDS):
        message = f"serve, process {found.pid}, did not end within {STOP_SECONDS:.0f} s"
        raise Trouble(message, f"kill -9 {found.pid} ends it and its processes")
    return True


def _fetch_weights() -> None:
    command = [sys.executable, "-m", "local.models.weights", str(weights_dir())]
    done = subprocess.run(
        command, cwd=PACKAGE, env=_with_uv(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = f"the model weights cannot be had: {done.stderr.strip()[-600:]}"
        raise Trouble(message, "check that the package registry is reached, and run it again")


def _with_uv() -> dict[str, str]:
    """Return the environment with uv on PATH; a venv that uv made has no pip to fall back on."""
    found = subprocess.run(
        [str(PACKAGE / "tools" / "find-uv.sh")], capture_output=True, text=True, check=False
    )
    if found.returncode:
        message, _, hint = found.stderr.strip().partition("\nhint: ")
        raise Trouble(message, hint or "stackyard doctor")
    folder = Path(found.stdout.strip()).parent
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


def _wait_ready(service: Service, processes: Processes, tell: Tell) -> None:
    def watch(text: str) -> None:
        processes.check()
        tell(text)

    service.wait_ready(READY_SECONDS, watch)
