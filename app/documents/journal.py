"""The durable record of documents and jobs: SQLite, written through before anything is promised."""

import hashlib
import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path

from app.access.identity import EVERYONE
from app.documents.holdings import Holdings, readers_text
from app.documents.moments import Moments
from app.documents.opening import bring_up_to_date
from app.documents.queue import now
from app.documents.records import HELD_BACK, Document, Job
from app.documents.schema import VECTORS_CHANGED


def document_id(collection: str, name: str, space: str = "") -> str:
    """The same name in the same collection and space is the same document."""
    parts = (collection, name, space) if space else (collection, name)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


class Journal(Moments):
    """One connection, one lock: every call is a short transaction.

    Several processes may have one open. Raises WrongFormat.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            bring_up_to_date(self._db)
        except BaseException:
            self._db.close()
            raise
        self.holdings = Holdings(path)

    def close(self) -> None:
        self.holdings.close()
        with self._lock:
            self._db.close()

    def vectors_changed(self) -> None:
        """Tell every process that other vectors may answer from now on."""
        with self._transaction() as db:
            db.execute("insert into changes (document_id) values (?)", (VECTORS_CHANGED,))

    def accept(
        self,
        collection: str,
        name: str,
        sha256: str,
        size: int,
        *,
        owner: str = "",
        space: str = "",
        readers: Sequence[str] | None = None,
        default_readers: Sequence[str] = (EVERYONE,),
    ) -> Job:
        """Record an upload and return its job; bytes that already answer need no work.

        Nothing of another space is looked at, so nobody learns what others have. `readers` of
        None leaves those of a document that is there, and gives a new one the default.
        """
        with self._transaction() as db:
            return self._accept(
                db, collection, name, sha256, size, owner, space, readers, default_readers
            )

    def _accept(
        self,
        db: sqlite3.Connection,
        collection: str,
        name: str,
        sha256: str,
        size: int,
        owner: str,
        space: str,
        readers: Sequence[str] | None,
        default_readers: Sequence[str],
    ) -> Job:
        given = None if readers is None else readers_text(readers)
        pending = db.execute(
            "select j.id, j.document_id from jobs j join documents d on d.id = j.document_id"
            " where j.collection = ? and j.sha256 = ? and d.space = ? and j.kind = 'index'"
            " and j.status in ('queued', 'running') and not j.cancelling and j.seq ="
            " (select max(seq) from jobs where document_id = j.document_id)",
            (collection, sha256, space),
        ).fetchone()
        if pending and (job := self._job(db, pending["id"])):
            self._set_readers(db, pending["document_id"], given)
            return job
        same = db.execute(
            "select id, name, chunks, pages from documents where collection = ? and sha256 = ?"
            " and space = ? and deleting = 0 order by name != ?",
            (collection, sha256, space, name),
        ).fetchone()
        identity = same["id"] if same else document_id(collection, name, space)
        db.execute(
            "update jobs set status = 'cancelled', reason = 'replaced by a newer upload',"
            " updated = ? where document_id = ? and status = 'queued' and kind = 'index'",
            (now(), identity),
        )
        if same:
            self._set_readers(db, identity, given)
            if not self._has_open_job(db, identity) and not self._is_half_written(db, identity):
                done = ("done", same["chunks"], same["pages"])
                job = self._add(
                    db, "index", identity, collection, same["name"], sha256, size, owner, done
                )
                found = "warnings = (select warnings from documents where id = jobs.document_id)"
                self._set(db, job.id, found)
                return self._job(db, job.id) or job
            name = same["name"]
        else:
            new = given if given is not None else readers_text(default_readers)
            db.execute(
                "insert into documents"
                " (id, collection, name, size, created, updated, owner, space, readers)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set"
                # one that is being deleted comes back as a new document
                " sha256 = iif(deleting, null, sha256),"
                " readers_written = iif(deleting, null, readers_written),"
                " readers = iif(deleting, excluded.readers, readers),"
                " owner = iif(deleting, excluded.owner, owner),"
                " deleting = 0, updated = excluded.updated",
                (identity, collection, name, size, now(), now(), owner, space, new),
            )
            self._set_readers(db, identity, given)
        return self._add(db, "index", identity, collection, name, sha256, size, owner)

    def set_readers(self, identity: str, readers: Sequence[str]) -> Document | None:
        """Say who may read a document, at once; None where there is none."""
        with self._transaction() as db:
            self._set_readers(db, identity, readers_text(readers))
            return self.document(identity)

    def readers_written(self, identity: str, readers: str) -> None:
        """Note what the chunks of a document say of its readers."""
        with self._transaction() as db:
            db.execute("update documents set readers_written = ? where id = ?", (readers, identity))

    def request_deletion(self, identity: str, *, erase: bool = False) -> Job | None:
        """Hide the document at once and queue the removal of all that belongs to it.

        `erase` removes what is remembered of its jobs too, with its name and its owner.
        """
        with self._transaction() as db:
            row = db.execute(
                "select * from documents where id = ? and deleting = 0", (identity,)
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "update jobs set status = 'cancelled', reason = 'the document was deleted',"
                " updated = ? where document_id = ? and status = 'queued'",
                (now(), identity),
            )
            db.execute("update documents set deleting = 1 where id = ?", (identity,))
            name, owner = ("", "") if erase else (row["name"], row["owner"])
            job = self._add(db, "delete", identity, row["collection"], name, "", 0, owner)
            self._set(db, job.id, "erasing = ?", int(erase))
            return job

    def finish_index(
        self,
        job: Job,
        *,
        chunks: int,
        pages: int,
        note: str | None = None,
        files: str = "[]",
        readers: str | None = None,
        warnings: str = "[]",
        quarantined: bool = False,
    ) -> None:
        """Make the job's version the one that answers; `note` says what of it could not be read.

        `readers` is what every chunk says of its readers; None where they may differ.
        """
        with self._transaction() as db:
            self._set(
                db,
                job.id,
                "status = 'done', stage = null, progress = 1, chunks = ?, pages = ?, reason = ?,"
                " files = ?, warnings = ?",
                chunks,
                pages,
                note,
                files,
                warnings,
            )
            db.execute(
                "update documents set sha256 = ?, size = ?, chunks = ?, pages = ?, updated = ?,"
                " readers_written = ?, warnings = ?, quarantined = ? where id = ? and deleting = 0",
                (
                    job.sha256, job.size, chunks, pages, now(), readers, warnings, quarantined,
                    job.document_id,
                ),
            )  # fmt: skip

    def quarantine(self, identity: str, held: bool) -> Document | None:
        """Keep a document from being cited, or let it again, at once; None where there is none."""
        with self._transaction() as db:
            db.execute(
                "update documents set quarantined = ? where id = ? and deleting = 0",
                (held, identity),
            )
            return self.document(identity)

    def hold_back(self, identity: str) -> None:
        """Keep a document from being cited until the next version is finished, or `give_back`."""
        with self._transaction() as db:
            db.execute(
                "update documents set quarantined = ? where id = ? and quarantined = 0",
                (HELD_BACK, identity),
            )

    def give_back(self, identity: str) -> None:
        """Let a document be cited again that was only held back."""
        with self._transaction() as db:
            db.execute(
                "update documents set quarantined = 0 where id = ? and quarantined = ?",
                (identity, HELD_BACK),
            )

    def finish_delete(self, job: Job) -> None:
        with self._transaction() as db:
            self._set(db, job.id, "status = 'done', stage = null, progress = 1, reason = null")
            db.execute("delete from documents where id = ? and deleting = 1", (job.document_id,))

    def erase_histories(self) -> None:
        """Forget the jobs of erased documents, once their files are gone too."""
        with self._transaction() as db:
            # Not what came after the deletion: the same name may have been uploaded again.
            erased = db.execute(
                "delete from jobs where status not in ('queued', 'running') and exists"
                " (select 1 from jobs e where e.document_id = jobs.document_id and e.erasing"
                " and e.status = 'done' and e.seq > jobs.seq)"
            ).rowcount
        if erased:
            with self._lock:
                self._db.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _set_readers(self, db: sqlite3.Connection, identity: str, readers: str | None) -> None:
        if readers is not None:
            db.execute(
                "update documents set readers = ? where id = ? and deleting = 0",
                (readers, identity),
            )

    def _has_open_job(self, db: sqlite3.Connection, identity: str) -> bool:
        query = "select 1 from jobs where document_id = ? and status in ('queued', 'running')"
        return db.execute(query, (identity,)).fetchone() is not None

    def _add(
        self,
        db: sqlite3.Connection,
        kind: str,
        identity: str,
        collection: str,
        name: str,
        sha256: str,
        size: int,
        owner: str,
        done: tuple[str, int, int] | None = None,
    ) -> Job:
        job_id = uuid.uuid4().hex
        status, chunks, pages = done or ("queued", None, None)
        db.execute(
            "insert into jobs (id, kind, document_id, collection, name, sha256, size, status,"
            " progress, chunks, pages, created, updated, owner)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job_id, kind, identity, collection, name, sha256, size, status,
                1.0 if done else 0.0, chunks, pages, now(), now(), owner,
            ),
        )  # fmt: skip
        job = self._job(db, job_id)
        assert job is not None
        return job
