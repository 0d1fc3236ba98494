"""Several processes on one data folder: who is there, who may go in, who has it alone."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.sharing.locks import FileLock
from app.sharing.presence import Presence
from app.sharing.turnstile import Closed, Turnstile
from tests.app.process import ROOT, until

HOLD = """
import sys, time
from pathlib import Path
from app.sharing.locks import FileLock
from app.sharing.presence import Presence
root = Path(sys.argv[1])
FileLock(root / "locks" / "lease").wait()
print(Presence(root).token, flush=True)
time.sleep(600)
"""


@contextmanager
def another(root: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Start a process that holds the lease and is present; yield its token."""
    (root / "locks").mkdir()
    command = [sys.executable, "-c", HOLD, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def test_the_lease_of_a_killed_process_is_free_and_its_file_is_found(tmp_path: Path) -> None:
    with another(tmp_path) as (token, process):
        lease, here = FileLock(tmp_path / "locks" / "lease"), Presence(tmp_path)
        assert not lease.take()
        assert here.is_alive(token)
        assert here.ended() == []

        process.kill()
        process.wait()

        assert lease.take()
        assert not here.is_alive(token)
        assert [file.name for file in here.ended()] == [token]
        assert here.is_alive(here.token)
        assert not here.is_alive("")


def test_nobody_goes_in_while_it_is_closed_and_who_closes_waits_for_who_is_inside(
    tmp_path: Path,
) -> None:
    jobs, backups = Turnstile(tmp_path), Turnstile(tmp_path)

    async def scenario() -> None:
        assert jobs.enter()
        assert jobs.enter()
        async with backups.closed() as hall:
            assert not jobs.enter()
            with pytest.raises(Closed):
                async with jobs.closed():
                    pass
            jobs.leave()
            with pytest.raises(TimeoutError):
                await hall.empty(0.05)
            jobs.leave()
            await hall.empty(5)
            assert not jobs.enter()
        assert jobs.enter()
        jobs.leave()

    asyncio.run(scenario())


def test_what_a_process_that_closed_it_held_is_free_when_it_dies(tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path)
    gate = str(tmp_path / "locks" / "gate")
    hold = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX)"
    command = [sys.executable, "-c", f"{hold}; print(flush=True); time.sleep(600)", gate]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not turnstile.enter()
        process.kill()
    assert until(turnstile.enter)
