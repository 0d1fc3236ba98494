"""The jobs of the journal: taken in their order, followed, ended, tried again."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from app.documents.holdings import Holdings
from app.documents.journal_reads import JournalReads
from app.documents.records import Job
from app.documents.schema import JOB, KEPT_CHANGES

KEPT_JOBS = 20_000  # closed jobs beyond these are forgotten, oldest first


def nobody(_token: str) -> bool:
    """Say that no process is there that had a job."""
    return False


def now() -> str:
    """Return this moment as the journal writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class JobQueue(JournalReads):
    """Changes of jobs, each a short transaction; what decides who reads what follows at once."""

    holdings: Holdings

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")
            self.holdings.look_again()

    def take(self, kind: str, runner: str = "") -> Job | None:
        """Start the oldest job that is due and whose document nobody else works on.

        `runner` is the token of the process that asks.
        """
        with self._transaction() as db:
            row = db.execute(
                f"select {JOB} from jobs j where kind = ? and status = 'queued' and not_before <= ?"
                " and not exists (select 1 from jobs o where o.document_id = j.document_id"
                " and o.seq < j.seq and o.status in ('queued', 'running')) order by seq limit 1",
                (kind, time.time()),
            ).fetchone()
            if row is None:
                return None
            begun = "status = 'running', attempts = attempts + 1, reason = null, runner = ?"
            self._set(db, row["id"], begun, runner)
            return self._job(db, row["id"])

    def resume(self, is_alive: Callable[[str], bool] = nobody) -> int:
        """Put back what processes had that are there no more, and return how many jobs."""
        gone = [runner for runner in self.runners() if not is_alive(runner)]
        if not gone:
            return 0
        with self._transaction() as db:
            return sum(
                db.execute(
                    "update jobs set status = 'queued', not_before = 0, progress = 0, stage = null"
                    " where status = 'running' and runner = ?",
                    (runner,),
                ).rowcount
                for runner in gone
            )

    def advance(self, job_id: str, stage: str, progress: float) -> None:
        with self._transaction() as db:
            self._set(db, job_id, "stage = ?, progress = ?", stage, progress)

    def begin_reading(self, job: Job) -> None:
        """Count a reading beforehand: one that never ends, because its process does, stays."""
        begun = "stage = 'convert', progress = 0.05, unended = unended + 1"
        with self._transaction() as db:
            self._set(db, job.id, begun)

    def end_reading(self, job: Job) -> None:
        with self._transaction() as db:
            self._set(db, job.id, "unended = max(0, unended - 1)")

    def excuse(self, runner: str) -> None:
        """Count nothing against what a process still reads that was told to end."""
        with self._transaction() as db:
            db.execute(
                "update jobs set unended = max(0, unended - 1)"
                " where status = 'running' and stage = 'convert' and runner = ?",
                (runner,),
            )

    def close_job(self, job: Job, status: str, reason: str) -> None:
        with self._transaction() as db:
            self._set(db, job.id, "status = ?, reason = ?", status, reason)

    def cancel(self, job_id: str) -> Job | None:
        """End a job; None without such a job.

        One that was never begun ends at once, a running one at its next step. One that waits to be
        tried again is taken up at once, to take back what it wrote.
        """
        with self._transaction() as db:
            db.execute(
                "update jobs set reason = 'it was cancelled', not_before = 0, updated = ?,"
                " cancelling = status = 'running' or attempts > 0,"
                " status = iif(status = 'queued' and attempts = 0, 'cancelled', status)"
                " where id = ? and kind = 'index' and status in ('queued', 'running')",
                (now(), job_id),
            )
            return self._job(db, job_id)

    def retry(self, job: Job, reason: str, *, stage: str | None, delay: float) -> None:
        with self._transaction() as db:
            due = time.time() + delay
            self._set(
                db,
                job.id,
                "status = 'queued', stage = ?, reason = ?, not_before = iif(cancelling, 0, ?)",
                stage,
                reason,
                due,
            )

    def forget_old_jobs(self) -> None:
        with self._transaction() as db:
            db.execute(
                "delete from jobs where status not in ('queued', 'running') and seq <="
                " (select max(seq) from jobs) - ? and seq not in"
                " (select max(seq) from jobs group by document_id)",
                (KEPT_JOBS,),
            )
            db.execute(
                "delete from changes where seq <= (select max(seq) from changes) - ?",
                (KEPT_CHANGES,),
            )

    def _set(self, db: sqlite3.Connection, job_id: str, change: str, *values: object) -> None:
        statement = f"update jobs set {change}, updated = ? where id = ?"
        db.execute(statement, (*values, now(), job_id))
