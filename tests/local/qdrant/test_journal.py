"""Group commit: one sync serves all writers that wrote before it, and no other."""

import threading
from pathlib import Path

import pytest

from local.qdrant.journal import GroupCommit, sync_log


class Disk:
    """A disk whose syncs wait until they are let go."""

    def __init__(self) -> None:
        self.syncs = 0
        self.started = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def sync(self) -> None:
        self.syncs += 1
        self.started.release()
        assert self.go.acquire(timeout=10)


def test_writers_that_wait_together_share_one_sync() -> None:
    disk = Disk()
    commits = GroupCommit(disk.sync)
    first = threading.Thread(target=commits.wait, args=(commits.ticket(),))
    first.start()
    assert disk.started.acquire(timeout=10)
    later = [threading.Thread(target=commits.wait, args=(commits.ticket(),)) for _ in range(5)]
    for thread in later:
        thread.start()

    disk.go.release()
    disk.go.release()
    for thread in [first, *later]:
        thread.join(timeout=10)

    # the five came after the first sync had started, so it does not count for them
    assert disk.syncs == 2
    assert not any(thread.is_alive() for thread in [first, *later])


def test_a_failed_sync_is_told_and_the_next_writer_tries_again() -> None:
    failures = iter([OSError(5, "Input/output error"), None])
    synced: list[int] = []

    def sync() -> None:
        failure = next(failures)
        if failure is not None:
            raise failure
        synced.append(1)

    commits = GroupCommit(sync)
    ticket = commits.ticket()

    with pytest.raises(OSError, match="Input/output error"):
        commits.wait(ticket)
    commits.wait(ticket)

    assert synced == [1]


def test_closed_segments_are_synced_once(tmp_path: Path) -> None:
    for name in ("open-2", "closed-1"):
        (tmp_path / name).write_bytes(b"x")
    settled: set[int] = set()

    sync_log(tmp_path, settled)

    assert settled == {(tmp_path / "closed-1").stat().st_ino}
