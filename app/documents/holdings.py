"""Who may read which document, in memory: the word that counts while a question is answered.

About 200 bytes a document. What the chunks in the vector store say follows this. Whatever process
changes the journal, its word is here before it counts: each look asks whether there is news.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from app.access.identity import Identity
from app.documents.schema import EVERYTHING_CHANGED, VECTORS_CHANGED

# To ask costs 2 microseconds, and an answer looks some hundred times. No caller can have heard of
# another process's change, and be here with a question, in less time than this.
FRESH_SECONDS = 0.001
MOST_CHANGES = 1000  # beyond, reading all of it is quicker
COLUMNS = "id, collection, owner, readers, sha256 is not null and quarantined = 0 as answers"


class Holding(NamedTuple):
    """What decides about a document; equal ones are one object."""

    collection: str
    owner: str
    readers: frozenset[str]
    # It has a version that answers, and is not quarantined; chunks of one before its deletion may
    # still lie in the store.
    answers: bool


class Holdings:
    """Every document that is not being deleted; asked from any thread, never waits for a writer."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        # Of its own: the journal's is busy while it writes.
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma query_only = on")
        self._held: dict[str, Holding] = {}
        self._vectors = 0
        self._version = self._seq = -1
        self._looked = 0.0
        self._follow()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def look_again(self) -> None:
        """Ask whether there is news, however short ago it was asked."""
        with self._lock:
            self._looked = 0.0

    @property
    def vectors(self) -> int:
        """Return a number that changes when other vectors may answer."""
        self._follow()
        return self._vectors

    def _follow(self) -> None:
        now = time.monotonic()
        if now - self._looked < FRESH_SECONDS:
            return
        with self._lock:
            version = self._db.execute("pragma data_version").fetchone()[0]
            if version != self._version:
                self._catch_up()
                self._version = version
            # From before the question, so that what came meanwhile is asked for.
            self._looked = now

    def _catch_up(self) -> None:
        self._db.execute("begin")  # changes and documents of one moment
        try:
            changes = self._db.execute(
                "select seq, document_id from changes where seq > ? order by seq limit ?",
                (self._seq, MOST_CHANGES),
            ).fetchall()
            ids = {document_id for _, document_id in changes}
            # In a gap are changes that were forgotten.
            gap = bool(changes) and changes[0][0] != self._seq + 1
            if self._seq < 0 or gap or len(changes) == MOST_CHANGES or EVERYTHING_CHANGED in ids:
                self._load()
            else:
                self._refresh(ids)
                self._seq = changes[-1][0] if changes else self._seq
        finally:
            self._db.execute("commit")

    def _load(self) -> None:
        rows = self._db.execute(f"select {COLUMNS} from documents where deleting = 0")
        self._held = {row[0]: _holding(*row[1:]) for row in rows}
        self._vectors += 1
        (self._seq,) = self._db.execute("select coalesce(max(seq), 0) from changes").fetchone()

    def _refresh(self, ids: set[str]) -> None:
        for document_id in ids:
            row = self._db.execute(
                f"select {COLUMNS} from documents where id = ? and deleting = 0", (document_id,)
            ).fetchone()
            if row is not None:
                self._held[document_id] = _holding(*row[1:])
            else:
                self._held.pop(document_id, None)
        if VECTORS_CHANGED in ids:
            self._vectors += 1

    def reads(self, identity: Identity, document_id: str) -> bool:
        """Whether a document is there and is this caller's to read."""
        self._follow()
        held = self._held.get(document_id)
        return held is not None and identity.reads(held.collection, held.owner, held.readers)

    def cites(self, identity: Identity, document_id: str) -> bool:
        """Whether an answer to this caller may stand on a document now."""
        self._follow()
        held = self._held.get(document_id)
        return (
            held is not None
            and held.answers
            and identity.reads(held.collection, held.owner, held.readers)
        )

    def manages(self, identity: Identity, document_id: str) -> bool:
        """Whether a document is there and is this caller's to change."""
        self._follow()
        held = self._held.get(document_id)
        return held is not None and identity.manages(held.collection, held.owner, held.readers)


def readers_text(readers: Iterable[str]) -> str:
    """Return a list of readers in the one form in which it is kept and compared."""
    return json.dumps(sorted(set(readers)), ensure_ascii=False)


def chunk_readers(owner: str, readers: str) -> list[str]:
    """Return what a document's chunks carry: its readers, and who it belongs to."""
    own = {f"user:{owner}"} if owner else set()
    return sorted(own | set(json.loads(readers)))


@lru_cache(maxsize=65536)
def _holding(collection: str, owner: str, readers: str, answers: int) -> Holding:
    return Holding(collection, owner, frozenset(json.loads(readers)), bool(answers))
