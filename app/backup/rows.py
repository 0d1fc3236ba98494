"""What the journal and the keys of a backup may say: it comes from outside, and names files."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from app.access import tokens
from app.access.identity import RANKS
from app.access.key_store import KeyStore
from app.backup.archive import BadArchive
from app.settings import COLLECTION

ID, CONTENT = r"[0-9a-f]{32}", r"[0-9a-f]{64}"
# What each column holds; a deletion is of no content.
JOURNAL = {
    ("documents", "id"): ID,
    ("documents", "collection"): COLLECTION,
    ("documents", "sha256"): CONTENT,
    ("jobs", "id"): ID,
    ("jobs", "document_id"): ID,
    ("jobs", "collection"): COLLECTION,
    ("jobs", "sha256"): f"({CONTENT})?",
    ("jobs", "kind"): "index|delete",
}
KEYS = {
    ("keys", "id"): f"[0-9a-f]{{{2 * tokens.ID_BYTES}}}",
    ("keys", "role"): "|".join(RANKS),
    ("keys", "hex(salt)"): f"[0-9A-F]{{{2 * tokens.SALT_BYTES}}}",
    ("keys", "hex(digest)"): "[0-9A-F]{64}",
}


def check_rows(journal: Path, keys: Path) -> None:
    """Raise BadArchive where a name is not of the shape in which this service makes them."""
    _check(journal, JOURNAL)
    try:
        KeyStore(keys).close()  # every key that opens is read: its groups, rate and end
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise _bad(keys) from error
    _check(keys, KEYS)


def _check(file: Path, wanted: dict[tuple[str, str], str]) -> None:
    try:
        with closing(sqlite3.connect(file)) as db:
            for (table, column), shape in wanted.items():
                # Each once: documents and jobs are many, what differs of most columns is not.
                query = f"select distinct {column} from {table} where {column} is not null"
                pattern = re.compile(shape)
                for (held,) in db.execute(query):
                    if not pattern.fullmatch(str(held)):
                        raise _bad(file)
    except sqlite3.Error as error:
        raise _bad(file) from error


def _bad(file: Path) -> BadArchive:
    return BadArchive(f"{file.name} holds what no service writes")
