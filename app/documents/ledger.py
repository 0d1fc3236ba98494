"""Which version of each document is in which vectors, of those that are built beside the live."""

import sqlite3
import threading
from pathlib import Path

PARTLY = ""  # the content of a document of which some may be there
SCHEMA = """
create table if not exists embedded (
    physical text not null, document_id text not null, sha256 text not null,
    primary key (physical, document_id)
) strict
"""


class Ledger:
    """A file of its own: what it forgets is only looked at once more."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute(SCHEMA)

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
