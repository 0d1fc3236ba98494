"""Helpers on the queue of an app that has died: each file once, and nothing lost with a helper."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from app.documents.journal import Journal
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess, until
from tests.integration.conftest import Maker
from tests.soak.__main__ import ids, text_of

pytestmark = pytest.mark.integration
FILES = 24


class Helper:
    """A real `python -m app.worker` on an app's data."""

    def __init__(self, app: AppProcess) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.worker", "--idle", "0.1"],
            cwd=app.directory,
            env=app.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            self.lines += stdout

    def ended(self) -> int:
        code = self.process.wait(60)
        self._reader.join(10)
        return code

    def done(self) -> list[str]:
        """Return the jobs that it finished."""
        return [line.split('"job":"')[1][:32] for line in self.lines if '"event":"indexed"' in line]


def test_two_helpers_do_each_file_once_and_one_takes_up_what_a_killed_one_had(
    make_app: Maker, qdrant: FakeQdrant, tmp_path: Path
) -> None:
    app = make_app(environment={"RAG_INDEXING_JOBS": "2"})
    qdrant.slow_writes.clear()
    names = [f"{number}.txt" for number in range(FILES)]
    uploaded = app.upload(*((name, text_of(name)) for name in names)).json()["jobs"]
    app.stop(signal.SIGKILL)
    journal = Journal(tmp_path / "data" / "journal.sqlite3")
    gone = journal.runners()
    helpers = [Helper(app), Helper(app)]
    try:
        until(lambda: journal.jobs_by_status().get("running") == 4 or None, 90)
        until(lambda: len(journal.runners() - gone) == 2 or None, 20)
        assert journal.runners().isdisjoint(gone)
        helpers[0].process.kill()
        qdrant.slow_writes.set()
        codes = [helper.ended() for helper in helpers]
        jobs = [journal.job(each["id"]) for each in uploaded]
        journal.close()
    finally:
        qdrant.slow_writes.set()
        for helper in helpers:
            if helper.process.poll() is None:
                os.kill(helper.process.pid, signal.SIGKILL)

    assert codes == [-signal.SIGKILL, 0], "".join(helpers[1].lines)
    assert [job.status for job in jobs if job is not None] == ["done"] * FILES
    assert set(ids(qdrant)) == set(names)
    assert all(sorted(pages) == [1, 2, 3] for pages in ids(qdrant).values())
    done = Counter(job for helper in helpers for job in helper.done())
    assert done == Counter(job["id"] for job in uploaded)
