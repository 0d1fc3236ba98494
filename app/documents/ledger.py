"""Which version of each document is in which vectors, of those that are not written by jobs alone.

They are built beside the live ones, or were lost and are filled again.
"""

import sqlite3
import threading
from pathlib import Path

PARTLY = ""  # the content of a document of which some may be there
SCHEMA = """
create table if not exists embedded (
    physical text not null, document_id text not null, sha256 text not null,
    primary key (physical, document_id)
) strict;
create table if not exists lost (physical text primary key) strict;
"""


class Ledger:
    """A file of its own: what it forgets is only looked at once more."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def held(self, physical: str) -> dict[str, str]:
        """Return the content of every document that is in these vectors."""
        with self._lock:
            query = "select document_id, sha256 from embedded where physical = ?"
            return dict(self._db.execute(query, (physical,)).fetchall())

    def record(self, physical: str, document_id: str, sha256: str) -> None:
        with self._lock:
            statement = "insert or replace into embedded values (?, ?, ?)"
            self._db.execute(statement, (physical, document_id, sha256))

    def forget(self, physical: str, document_id: str) -> None:
        with self._lock:
            statement = "delete from embedded where physical = ? and document_id = ?"
            self._db.execute(statement, (physical, document_id))

    def lose(self, physical: str, *, live: bool) -> None:
        """Note that these vectors are gone, all of them; `live` ones are to be filled again.

        What was in them stays known as partly there: a writing that is under way may still come.
        """
        with self._lock:
            self._db.execute("begin immediate")
            with self._db:
                statement = "update embedded set sha256 = ? where physical = ?"
                self._db.execute(statement, (PARTLY, physical))
                if live:
                    self._db.execute("insert or ignore into lost values (?)", (physical,))

    def lost(self) -> set[str]:
        """Return the vectors that were lost and are not filled again yet."""
        with self._lock:
            return {physical for (physical,) in self._db.execute("select physical from lost")}

    def filled(self, physical: str) -> None:
        """Note that they are all there again; from now on jobs alone write into them."""
        with self._lock:
            self._db.execute("begin immediate")
            with self._db:
                self._db.execute("delete from lost where physical = ?", (physical,))
                self._db.execute("delete from embedded where physical = ?", (physical,))

    def give_up(self, physical: str) -> None:
        """Fill these no more: they do not answer."""
        with self._lock:
            self._db.execute("delete from lost where physical = ?", (physical,))
