"""Who may read which document, in memory: the word that counts while a question is answered.

About 200 bytes a document. What the chunks in the vector store say follows this.
"""

import json
import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from app.access.identity import Identity

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
    """Every document that is not being deleted; read from any thread, changed by the journal."""

    def __init__(self) -> None:
        self._held: dict[str, Holding] = {}

    def load(self, db: sqlite3.Connection) -> None:
        rows = db.execute(f"select {COLUMNS} from documents where deleting = 0")
        self._held = {row["id"]: _holding(*tuple(row)[1:]) for row in rows}

    def refresh(self, db: sqlite3.Connection, document_id: str) -> None:
        """Take over what the journal says of one document now."""
        row = db.execute(
            f"select {COLUMNS} from documents where id = ? and deleting = 0", (document_id,)
        ).fetchone()
        if row is None:
            self._held.pop(document_id, None)
        else:
            self._held[document_id] = _holding(*tuple(row)[1:])

    def reads(self, identity: Identity, document_id: str) -> bool:
        """Whether a document is there and is this caller's to read."""
        held = self._held.get(document_id)
        return held is not None and identity.reads(held.collection, held.owner, held.readers)

    def cites(self, identity: Identity, document_id: str) -> bool:
        """Whether an answer to this caller may stand on a document now."""
        held = self._held.get(document_id)
        return (
            held is not None
            and held.answers
            and identity.reads(held.collection, held.owner, held.readers)
        )

    def manages(self, identity: Identity, document_id: str) -> bool:
        """Whether a document is there and is this caller's to change."""
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
