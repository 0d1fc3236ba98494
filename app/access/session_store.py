"""Sessions of browsers: hashes of their cookies in SQLite, for all processes on a data folder.

In a file of its own, which no backup holds: a session that was ended stays so after a restore.
"""

import hashlib
import json
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

SCHEMA = """
create table if not exists sessions (
    digest blob primary key, id text not null, subject text not null, groups text not null,
    began real not null, ends real not null
) strict;
create table if not exists seal (n integer primary key check (n = 1), key blob not null) strict;
"""
OF_ONE = 20  # sessions of one person; the oldest go first
SECRET_BYTES, ID_BYTES = 32, 6


@dataclass(frozen=True)
class Session:
    """Whose it is, as the provider said when it began."""

    id: str
    subject: str
    groups: frozenset[str]


class SessionStore:
    """Sessions by the text of their cookie; every call is safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(SCHEMA)
        path.chmod(0o600)
        self._db.execute("insert or ignore into seal values (1, ?)", (Fernet.generate_key(),))
        (seal,) = self._db.execute("select key from seal").fetchone()
        # What one process seals, another opens.
        self.seal = Fernet(seal)
        self._tidy(time.time())
        # Of its own: it never waits for a writer.
        self._reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._reader.execute("pragma query_only = on")

    def begin(
        self, subject: str, groups: frozenset[str], *, now: float, ends: float
    ) -> tuple[Session, str]:
        """Keep a new session and return it with the text of its cookie, which is not kept."""
        session = Session(secrets.token_hex(ID_BYTES), subject, groups)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        row = (_digest(secret), session.id, subject, json.dumps(sorted(groups)), now, ends)
        with self._lock:
            self._tidy(now)
            self._db.execute("insert into sessions values (?, ?, ?, ?, ?, ?)", row)
            self._db.execute(
                "delete from sessions where subject = :subject and rowid not in (select rowid from"
                " sessions where subject = :subject order by began desc, rowid desc limit :kept)",
                {"subject": subject, "kept": OF_ONE},
            )
        return session, secret

    def find(self, secret: str, now: float) -> Session | None:
        """Return the session of a cookie, if it has neither ended nor been ended."""
        with self._looking:
            row = self._reader.execute(
                "select id, subject, groups from sessions where digest = ? and ends > ?",
                (_digest(secret), now),
            ).fetchone()
        return Session(row[0], row[1], frozenset(json.loads(row[2]))) if row else None

    def end(self, secret: str) -> str | None:
        """End the session of a cookie, at once and in every process; return its id."""
        ended = "delete from sessions where digest = ? returning id"
        with self._lock:
            rows = self._db.execute(ended, (_digest(secret),)).fetchall()
        return str(rows[0][0]) if rows else None

    def close(self) -> None:
        with self._looking:
            self._reader.close()
        with self._lock:
            self._db.close()

    def _tidy(self, now: float) -> None:
        self._db.execute("delete from sessions where ends <= ?", (now,))


def _digest(secret: str) -> bytes:
    """Return the hash. The secret has 256 random bits, so a fast one cannot be searched."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
