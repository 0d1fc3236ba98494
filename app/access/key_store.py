"""The API keys that were created while the service runs: salted hashes in SQLite.

Each process looks whether the file has changed before it lets a request in, so a key that is
revoked is refused by the next one, whichever process it comes to.
"""

import hashlib
import hmac
import json
import logging
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from limits import RateLimitItem, parse

from app.access import tokens
from app.access.identity import Identity, Role

SCHEMA = """
create table if not exists keys (
    id text primary key, subject text not null, role text not null, groups text not null,
    collections text, rate text, salt blob not null, digest blob not null,
    created text not null, created_by text not null, expires text, revoked text
) strict;
"""
COLUMNS = (
    "id, subject, role, groups, collections, rate, salt, digest, created, created_by, expires,"
    " revoked"
)
log = logging.getLogger("app.keys")


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key without its secret."""

    id: str
    subject: str
    role: Role
    groups: tuple[str, ...]
    collections: tuple[str, ...] | None
    rate: str | None
    created: str
    created_by: str
    expires: str | None
    revoked: str | None


@dataclass(frozen=True)
class Known:
    """What a request's key is compared with, put together once."""

    identity: Identity
    salt: bytes
    digest: bytes
    expires: float | None
    rate: RateLimitItem | None


# Compared with where there is no key of that id, so that both cases cost the same.
NOBODY_SALT, NOBODY_DIGEST = b"\0" * tokens.SALT_BYTES, b"\0" * 32


class KeyStore:
    """Keys by id; every call is safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(SCHEMA)
        path.chmod(0o600)
        # Of its own: what the other writes is news to it as well, and it never waits for a writer.
        self._news = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._news.row_factory = sqlite3.Row
        self._news.execute("pragma query_only = on")
        self._looking = threading.Lock()
        self._version = -1
        self._known: dict[str, Known] = {}
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def digest(self) -> str:
        """Return what is another one after any change."""
        with self._lock:
            rows = self._db.execute("select * from keys order by id").fetchall()
        return hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()

    def copy_to(self, path: Path) -> None:
        """Write every key as it is now into a new file."""
        with self._lock, closing(sqlite3.connect(path)) as target:
            self._db.backup(target)

    def take_over(self, path: Path) -> None:
        """Take in what `copy_to` wrote, all of it or nothing.

        A key that is here already stays what it is, and one that was revoked here stays revoked.
        """
        KeyStore(path).close()
        with closing(sqlite3.connect(path)) as source:
            rows = source.execute(f"select {COLUMNS} from keys").fetchall()
        before = {key.id for key in self.all()}
        with self._lock, self._db:
            self._db.execute("begin immediate")
            self._db.executemany(
                f"insert into keys ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " on conflict (id) do update set revoked = coalesce(revoked, excluded.revoked)",
                rows,
            )
        came = [key.id for key in self.all() if key.revoked is None and key.id not in before]
        log.info("keys came back", extra={"keys": came})

    def find(self, key_id: str, secret: bytes, now: float) -> Known | None:
        """Return what is known of a presented key that is right and still holds."""
        self._look()
        known = self._known.get(key_id)
        salt, expected = (known.salt, known.digest) if known else (NOBODY_SALT, NOBODY_DIGEST)
        matches = hmac.compare_digest(tokens.digest(secret, salt), expected)
        if known is None or not matches:
            return None
        return known if known.expires is None or now < known.expires else None

    def create(
        self,
        *,
        subject: str,
        role: Role,
        groups: tuple[str, ...],
        collections: tuple[str, ...] | None,
        rate: str | None,
        expires: str | None,
        created_by: str,
    ) -> tuple[Key, str]:
        """Keep a new key and return it with its text, which is not kept."""
        key_id, secret, salt = tokens.new_id(), tokens.new_secret(), tokens.new_salt()
        row = (
            key_id, subject, role, json.dumps(groups),
            None if collections is None else json.dumps(collections), rate,
            salt, tokens.digest(secret.encode(), salt), _now(), created_by, expires, None,
        )  # fmt: skip
        with self._lock:
            self._db.execute("insert into keys values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            return self._one(key_id), tokens.written(key_id, secret)

    def revoke(self, key_id: str) -> Key | None:
        """End a key at once; None where there is none of that id."""
        with self._lock:
            self._db.execute(
                "update keys set revoked = ? where id = ? and revoked is null", (_now(), key_id)
            )
            held = self._db.execute("select 1 from keys where id = ?", (key_id,)).fetchone()
            return self._one(key_id) if held else None

    def all(self) -> list[Key]:
        """Return every key that was ever created, oldest first."""
        with self._lock:
            rows = self._db.execute("select * from keys order by created, id").fetchall()
        return [_key(row) for row in rows]

    def close(self) -> None:
        with self._looking:
            self._news.close()
        with self._lock:
            self._db.close()

    def _one(self, key_id: str) -> Key:
        return _key(self._db.execute("select * from keys where id = ?", (key_id,)).fetchone())

    def _look(self) -> None:
        with self._looking:
            (version,) = self._news.execute("pragma data_version").fetchone()
            if version != self._version:
                rows = self._news.execute("select * from keys where revoked is null").fetchall()
                self._known = {row["id"]: _known(row) for row in rows}
                self._version = version


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _key(row: sqlite3.Row) -> Key:
    held: dict[str, Any] = dict(row)
    del held["salt"], held["digest"]
    held["groups"] = tuple(json.loads(held["groups"]))
    if held["collections"] is not None:
        held["collections"] = tuple(json.loads(held["collections"]))
    return Key(**held)


def _known(row: sqlite3.Row) -> Known:
    key = _key(row)
    identity = Identity(
        subject=key.subject,
        role=key.role,
        groups=frozenset(key.groups),
        collections=None if key.collections is None else frozenset(key.collections),
        via="key",
        credential=key.id,
    )
    return Known(
        identity=identity,
        salt=row["salt"],
        digest=row["digest"],
        expires=datetime.fromisoformat(key.expires).timestamp() if key.expires else None,
        rate=parse(key.rate) if key.rate else None,
    )
