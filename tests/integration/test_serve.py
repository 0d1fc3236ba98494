"""`stackyard serve` with the real app, models and vector store as processes of this machine."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANUAL = """Kestrel Pumps: service notes

The Kestrel 40 pump is oiled every 350 hours of operation. Its filter is rinsed with clear water.

The warranty of the Kestrel 40 lasts five years from the day of purchase.
"""

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Home:
    """One STACKYARD_HOME, in which `serve` is started more than once."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "STACKYARD_HOME": str(self.path), "COLUMNS": "200"}

    def stackyard(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stackyard", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "stackyard", "serve", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # a shell that runs the tests in the background lets its children ignore Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def processes(self) -> list[str]:
        """Return the command lines of all processes that run in this home."""
        mark = f"STACKYARD_HOME={self.path}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("serve"))
    yield home
    home.stackyard("serve", "--stop")


def read_until(process: "subprocess.Popen[str]", wanted: str) -> str:
    """Return what the process printed up to a text; fail with all of it where it ended first."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if wanted in line:
            return said
    pytest.fail(f"serve ended with {process.wait()} before it said {wanted!r}:\n{said}")


def test_it_answers_keeps_its_data_and_leaves_no_process(home: Home, tmp_path: Path) -> None:
    manual = tmp_path / "kestrel.txt"
    manual.write_text(MANUAL)
    fetched = home.start("--no-samples")  # the first run ever also fetches the model weights
    read_until(fetched, "Ctrl-C ends it")
    fetched.terminate()
    fetched.communicate(timeout=60)
    assert home.processes() == []

    first = home.start()
    said = read_until(first, "Ctrl-C ends it")
    ingested = home.stackyard("ingest", str(manual))
    asked = home.stackyard("ask", "How often is the Kestrel 40 pump oiled?", "--json")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    left = home.processes()
    second = home.start("--no-samples")
    read_until(second, "Ctrl-C ends it")
    again = home.stackyard("ask", "How often is the Kestrel 40 pump oiled?", "--json")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=60)

    # how many is measured by `python -m bench serve`
    assert re.search(r"first answer after [0-9.]+ s", said), said
    assert "employee-handbook.pdf, page 2" in said
    assert ingested.returncode == 0, ingested.stdout + ingested.stderr
    for answer in (asked, again):
        assert answer.returncode == 0, answer.stderr
        (citation, *_) = json.loads(answer.stdout)["citations"]
        assert citation["document"] == "kestrel.txt"
        assert "350 hours" in citation["quote"]
    assert (left, home.processes()) == ([], [])


def test_killed_with_no_warning_it_takes_its_processes_along(home: Home) -> None:
    process = home.start("--no-samples")
    read_until(process, "Ctrl-C ends it")

    process.kill()
    process.communicate(timeout=60)
    end = time.monotonic() + 60
    while home.processes() and time.monotonic() < end:
        time.sleep(0.1)

    assert home.processes() == []


def test_the_acceptance_journey_passes_in_the_background(home: Home) -> None:
    started = home.stackyard("serve", "--background", "--no-samples")
    assert started.returncode == 0, started.stderr

    accepted = home.stackyard("accept", "--json")
    status = home.stackyard("status", "--json")
    stopped = home.stackyard("serve", "--stop")

    assert json.loads(status.stdout)["ready"] is True
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert stopped.stderr == "stopped; the data is kept\n"
    assert home.processes() == []
