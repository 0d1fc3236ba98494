"""What can be asked of the journal; nothing here changes it."""

import sqlite3
import threading
import time
from pathlib import Path

from app.access.identity import Identity
from app.documents.reading import EVERYTHING, Selection, readable
from app.documents.records import Document, Job
from app.documents.schema import DOCUMENT, JOB

MOST_SKIPPED = 2**63 - 1  # SQLite's largest integer


class JournalReads:
    """One connection, one lock, for the questions here and the changes of the journal itself."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._version = 0

    def has_news(self) -> bool:
        """Whether another process has changed anything since this was asked the last time."""
        with self._lock:
            (version,) = self._db.execute("pragma data_version").fetchone()
            before, self._version = self._version, version
        return bool(version != before)

    def seconds_to_next(self, kind: str) -> float | None:
        """How long until a queued job is due; None when none is queued."""
        with self._lock:
            row = self._db.execute(
                "select min(not_before) as due from jobs where status = 'queued' and kind = ?",
                (kind,),
            ).fetchone()
        return None if row["due"] is None else max(0.0, row["due"] - time.time())

    def job(self, job_id: str) -> Job | None:
        with self._lock:
            return self._job(self._db, job_id)

    def is_deleting(self, identity: str) -> bool:
        with self._lock:
            row = self._db.execute(
                "select deleting from documents where id = ?", (identity,)
            ).fetchone()
        return row is not None and bool(row["deleting"])

    def document(self, identity: str) -> Document | None:
        with self._lock:
            row = self._db.execute(f"{DOCUMENT} and d.id = ?", (identity,)).fetchone()
        return None if row is None else Document(**dict(row))

    def documents(
        self,
        collection: str | None,
        *,
        limit: int,
        offset: int,
        identity: Identity | None = None,
        selected: Selection = EVERYTHING,
    ) -> list[Document]:
        """Return a page of what `identity` may read; None is the service itself."""
        may, values = readable(identity)
        chosen, given = selected.condition()
        with self._lock:
            rows = self._db.execute(
                f"{DOCUMENT} and (? is null or d.collection = ?) and {may} and {chosen}"
                " order by d.collection, d.name, d.id limit ? offset ?",
                (collection, collection, *values, *given, limit, offset),
            ).fetchall()
        return [Document(**dict(row)) for row in rows]

    def count(self, collection: str | None, identity: Identity | None = None) -> int:
        may, values = readable(identity)
        with self._lock:
            row = self._db.execute(
                "select count(*) as n from documents d where deleting = 0"
                f" and (? is null or collection = ?) and {may}",
                (collection, collection, *values),
            ).fetchone()
        return int(row["n"])

    def collections(self, identity: Identity | None = None) -> list[str]:
        may, values = readable(identity)
        with self._lock:
            rows = self._db.execute(
                "select distinct collection from documents d where deleting = 0"
                f" and {may} order by collection",
                values,
            ).fetchall()
        return [row["collection"] for row in rows]

    def answering(self, collection: str) -> dict[str, tuple[str, str]]:
        """Return name and content of every document that answers, by its id."""
        with self._lock:
            rows = self._db.execute(
                "select id, name, sha256 from documents where collection = ?"
                " and sha256 is not null and deleting = 0 order by id",
                (collection,),
            ).fetchall()
        return {row["id"]: (row["name"], row["sha256"]) for row in rows}

    def answers(self, collection: str) -> bool:
        """Whether a collection has a document that answers."""
        with self._lock:
            row = self._db.execute(
                "select 1 from documents where collection = ?"
                " and sha256 is not null and deleting = 0 limit 1",
                (collection,),
            ).fetchone()
        return row is not None

    def holds(self, collection: str, identity: Identity | None = None) -> bool:
        """Whether a collection has a document that `identity` may read."""
        may, values = readable(identity)
        with self._lock:
            row = self._db.execute(
                f"select 1 from documents d where deleting = 0 and collection = ? and {may}"
                " limit 1",
                (collection, *values),
            ).fetchone()
        return row is not None

    def unwritten(self, most: int = 100) -> list[Document]:
        """Return documents whose chunks do not say yet who may read them."""
        with self._lock:
            rows = self._db.execute(
                f"{DOCUMENT} and d.readers_written is not d.readers and d.sha256 is not null"
                " limit ?",
                (most,),
            ).fetchall()
        return [Document(**dict(row)) for row in rows]

    def jobs_by_status(self) -> dict[str, int]:
        with self._lock:
            rows = self._db.execute(
                "select status, count(*) as n from jobs group by status"
            ).fetchall()
        return {row["status"]: row["n"] for row in rows}

    def runners(self) -> set[str]:
        """Return the tokens of the processes that have jobs."""
        with self._lock:
            rows = self._db.execute("select distinct runner from jobs where status = 'running'")
            return {row["runner"] for row in rows.fetchall()}

    def running(self) -> set[str]:
        """Return the ids of the jobs that processes are at."""
        with self._lock:
            rows = self._db.execute("select id from jobs where status = 'running'")
            return {row["id"] for row in rows.fetchall()}

    def is_idle(self) -> bool:
        """Whether no upload waits and none is worked on."""
        with self._lock:
            row = self._db.execute(
                "select 1 from jobs where status in ('queued', 'running') and kind = 'index'"
            ).fetchone()
        return row is None

    def needed(self) -> set[tuple[str, str]]:
        """Return (document, content) of every file that must stay on disk."""
        with self._lock:
            rows = self._db.execute(
                "select id, sha256 from documents where sha256 is not null and deleting = 0"
                " union select document_id, sha256 from jobs"
                " where status in ('queued', 'running') and kind = 'index'"
            ).fetchall()
        return {(row[0], row[1]) for row in rows}

    def contents_of(self, identity: str) -> set[str]:
        """Return every content that a document ever had, as far as its jobs are remembered."""
        with self._lock:
            rows = self._db.execute(
                "select distinct sha256 from jobs where document_id = ? and kind = 'index'",
                (identity,),
            ).fetchall()
        return {row["sha256"] for row in rows}

    def is_withdrawn(self, job: Job) -> str | None:
        """Return why a running job is to stop; None where it is to go on."""
        with self._lock:
            row = self._db.execute(
                "select cancelling, deleting from jobs j left join documents d"
                " on d.id = j.document_id where j.id = ?",
                (job.id,),
            ).fetchone()
        if row is None or row["deleting"]:
            return "the document was deleted"
        return "it was cancelled" if row["cancelling"] else None

    def is_half_written(self, document_id: str) -> bool:
        """Whether a job that did not end well may have left chunks, and none was done since.

        It has taken them back, unless Qdrant was away just then.
        """
        with self._lock:
            return self._is_half_written(self._db, document_id)

    def _is_half_written(self, db: sqlite3.Connection, document_id: str) -> bool:
        row = db.execute(
            "select 1 from jobs j where document_id = ? and kind = 'index'"
            # what is refused at its first reading has written nothing
            " and (status in ('cancelled', 'failed') and attempts > 0"
            " or status = 'refused' and attempts > 1)"
            " and seq > coalesce((select max(seq) from jobs d"
            " where d.document_id = j.document_id and kind = 'index' and status = 'done'), 0)",
            (document_id,),
        ).fetchone()
        return row is not None

    def _job(self, db: sqlite3.Connection, job_id: str) -> Job | None:
        row = db.execute(f"select {JOB} from jobs where id = ?", (job_id,)).fetchone()
        return None if row is None else Job(**dict(row))
