"""The stack that the journeys share, in the order of their numbers; removed at the end."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stackyard.engine import MARK
from tests.e2e.yard import Yard
from tools.paths import cache_dir

# the version whose pages tests/e2e/questions.json was read from
MANUAL = "developers-reference=12.18"


# the first journey waits until a machine that has nothing has built its tools
PATIENCE = 3600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every journey be the first one, whatever order they come in."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(PATIENCE))


@pytest.fixture(scope="session")
def yard(pytestconfig: pytest.Config) -> Iterator[Yard]:
    """A stack up and ready; the machine has nothing of it afterwards, whatever happened."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    cache_dir().mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="e2e-", dir=cache_dir()))
    yard = Yard(stack="e2e", home=home)
    config = Path(__file__).parents[2] / "Pulumi.e2e.yaml"
    try:
        with capture.global_and_fixture_disabled():  # building the tools takes a while: show it
            kill_an_up_in_the_middle(yard)
            yard.make("up")
        yield yard
    finally:
        remove(yard)
        config.unlink(missing_ok=True)


def kill_an_up_in_the_middle(yard: Yard) -> None:
    """Leave what a crash of the machine leaves: half a cluster, a lock, an unfinished operation."""
    until = time.monotonic() + PATIENCE
    with yard.start("up") as process:
        try:
            while not yard.nodes():
                assert process.poll() is None, "the up ended before it had a cluster"
                assert time.monotonic() < until, "the up had no cluster in time"
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    mark = f"{MARK}={yard.home / 'stacks' / yard.stack}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def remove(yard: Yard) -> None:
    """Take everything of a stack away; what a journey left half-done must not stop it."""
    try:
        yard.stackyard("down", "--delete-data", "--yes", timeout=600)
    finally:
        shutil.rmtree(yard.home, ignore_errors=True)


@pytest.fixture
def service(yard: Yard) -> Iterator[httpx.Client]:
    with yard.client() as client:
        yield client


@pytest.fixture(scope="session")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's developers-reference as a PDF: a real document that we did not write."""
    kept = cache_dir() / "documents" / "developers-reference-12.18.pdf"
    if not kept.exists():
        work = tmp_path_factory.mktemp("deb")
        download = ["apt-get", "download", "-qq", MANUAL]
        if subprocess.run(download, cwd=work, capture_output=True, check=False).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
            subprocess.run(download, cwd=work, check=True, capture_output=True)
        package = next(work.glob("*.deb"))
        subprocess.run(["dpkg", "-x", package, work / "unpacked"], check=True)
        found = next((work / "unpacked").rglob("developers-reference.pdf"))
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found, kept.with_suffix(".new"))
        kept.with_suffix(".new").replace(kept)
    return kept
