"""What backups ask of the journal: a mark of this moment, what changed since one, and a copy."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.documents.opening import bring_up_to_date
from app.documents.queue import JobQueue
from app.documents.schema import EVERYTHING_CHANGED, KEPT_MARKS, VECTORS_CHANGED

CHANGED = "(select document_id from changes where seq > ?)"


class Unknown(Exception):
    """Nobody can tell any more what changed since a mark; the text says why."""


@dataclass(frozen=True)
class Changes:
    """What changed since a mark: documents by their ids, whether they are there or not."""

    documents: frozenset[str]
    collections: Mapping[str, tuple[str, ...]]  # those that are there, by collection
    keys: bool
    last_job: int  # of those at the mark; only later ones brought originals

    @property
    def nothing(self) -> bool:
        return not self.documents and not self.keys


class Moments(JobQueue):
    """Marks are of this journal: a copy that others go on with does not go on from them."""

    def note(self, mark: str, *, keys: str, vectors: str) -> int:
        """Note a mark of this moment and return the number of the last change.

        `keys` and `vectors` are digests of what the journal does not have.
        """
        with self._transaction() as db:
            (change,) = db.execute("select coalesce(max(seq), 0) from changes").fetchone()
            (last_job,) = db.execute("select coalesce(max(seq), 0) from jobs").fetchone()
            db.execute(
                "insert into marks (mark, change, last_job, keys, vectors) values (?, ?, ?, ?, ?)",
                (mark, change, last_job, keys, vectors),
            )
            db.execute(
                "delete from marks where seq <= (select max(seq) from marks) - ?", (KEPT_MARKS,)
            )
        return int(change)

    def changed_since(self, mark: str, *, keys: str, vectors: str) -> Changes:
        """Return what changed since a mark. Raises Unknown."""
        with self._lock:
            self._db.execute("begin")
            try:
                return self._changed_since(self._db, mark, keys, vectors)
            finally:
                self._db.execute("commit")

    def brought_since(self, changes: Changes) -> set[str]:
        """Return the documents that may need originals by now which they did not at the mark."""
        with self._lock:
            # The last job of a document is never forgotten.
            query = "select distinct document_id from jobs where seq > ?"
            return {row[0] for row in self._db.execute(query, (changes.last_job,))}

    def _changed_since(self, db: sqlite3.Connection, mark: str, keys: str, vectors: str) -> Changes:
        noted = db.execute("select * from marks where mark = ?", (mark,)).fetchone()
        if noted is None:
            message = "this service made no such mark, or has forgotten it"
            raise Unknown(message)
        since = (noted["change"],)
        query = "select min(seq) as first, count(*) as n from changes where seq > ?"
        first, count = db.execute(query, since).fetchone()
        if count and first != noted["change"] + 1:
            message = "so much changed since that not all of it is remembered"
            raise Unknown(message)
        documents = frozenset(row[0] for row in db.execute(CHANGED[1:-1], since))
        if EVERYTHING_CHANGED in documents:
            message = "a backup was put back since"
            raise Unknown(message)
        if VECTORS_CHANGED in documents or noted["vectors"] != vectors:
            message = "the vectors of another embedding model answer since"
            raise Unknown(message)
        collections: dict[str, list[str]] = {}
        rows = db.execute(f"select collection, id from documents where id in {CHANGED}", since)
        for row in rows:
            collections.setdefault(row["collection"], []).append(row["id"])
        told = {name: tuple(sorted(ids)) for name, ids in sorted(collections.items())}
        return Changes(documents, told, noted["keys"] != keys, noted["last_job"])

    def copy_to(self, path: Path, *, change: int | None = None) -> None:
        """Write all of it as it is now into a new file.

        The chunks were read since `change`: whose readers changed meanwhile gets them anew there.
        """
        with self._lock, closing(sqlite3.connect(path)) as target:
            self._db.backup(target)
            if change is not None:
                query = f"update documents set readers_written = null where id in {CHANGED}"
                target.execute(query, (change,))
                target.commit()

    def take_over(self, path: Path) -> None:
        """Become what `copy_to` wrote, all of it or nothing."""
        with self._lock, closing(sqlite3.connect(path, isolation_level=None)) as source:
            source.row_factory = sqlite3.Row
            # A copy of an earlier version gets what it lacks.
            bring_up_to_date(source)
            # With the journal itself comes word of it, of a number that nobody has read yet.
            query = "select seq from sqlite_sequence where name = 'changes'"
            numbers = [row[0] for db in (self._db, source) for row in db.execute(query)]
            change = "insert into changes (seq, document_id) values (?, ?)"
            source.execute(change, (max(numbers, default=0) + 1, EVERYTHING_CHANGED))
            source.backup(self._db)
            self.holdings.look_again()
