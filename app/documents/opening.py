"""A journal as it is found on the disk, made into one that this version works with."""

import sqlite3

from app.documents.schema import ADDED, FORMAT, INDEXES, SCHEMA

PATIENCE_MS = 5000  # for another process's transaction


class WrongFormat(Exception):
    """The file cannot be used as it is; the text says why."""


def check_format(db: sqlite3.Connection) -> int:
    """Return the format of a journal; raises WrongFormat for one of a later version."""
    (held,) = db.execute("pragma user_version").fetchone()
    if held > FORMAT:
        message = f"its journal is of format {held}, and this version knows {FORMAT}"
        raise WrongFormat(message)
    return int(held)


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Add what the file lacks, whoever has it open too; raises WrongFormat."""
    db.execute(f"pragma busy_timeout = {PATIENCE_MS}")
    held = check_format(db)
    if held < FORMAT:
        _be_alone(db)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("pragma secure_delete = on")
    db.executescript(SCHEMA)
    for table, columns in ADDED.items():
        present = {row["name"] for row in db.execute(f"pragma table_info({table})")}
        for column, kind in columns.items():
            if column not in present:
                db.execute(f"alter table {table} add column {column} {kind}")
    db.executescript(INDEXES)
    if held < FORMAT:
        db.execute(f"pragma user_version = {FORMAT}")


def _be_alone(db: sqlite3.Connection) -> None:
    try:
        # SQLite leaves this mode only where no other connection is open, of any version.
        db.execute("pragma journal_mode = delete")
    except sqlite3.OperationalError as error:
        message = "a process of an earlier version works on its journal, which it must have alone"
        raise WrongFormat(message) from error
