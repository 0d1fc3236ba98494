"""A backup names files and keys: what no service writes there is refused before it is taken in."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.access.key_store import KeyStore
from app.backup.archive import BadArchive
from app.backup.rows import check_rows
from app.documents.journal import Journal


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A journal and keys as a service has them."""
    journal, keys = tmp_path / "journal.sqlite3", tmp_path / "keys.sqlite3"
    held = Journal(journal)
    job = held.accept("documents", "a.txt", "a" * 64, 1)
    taken = held.take("index")
    assert taken is not None
    held.finish_index(taken, chunks=1, pages=1)
    held.accept("documents", "b.txt", "b" * 64, 1)
    held.request_deletion(job.document_id)
    held.close()
    store = KeyStore(keys)
    store.create(
        subject="alice", role="admin", groups=("hr",), collections=("team",), rate="1/minute",
        expires="2030-01-01T00:00:00+00:00", created_by="x",
    )  # fmt: skip
    store.close()
    return journal, keys


def test_what_a_service_writes_is_taken(files: tuple[Path, Path]) -> None:
    check_rows(*files)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("journal", "update jobs set sha256 = '../../keys.sqlite3'"),
        ("journal", "update documents set sha256 = '../x' where sha256 is not null"),
        ("journal", "update documents set id = '../../' || id"),
        ("journal", "update jobs set document_id = 'x/y'"),
        ("journal", "update jobs set id = 'x' || seq"),
        ("journal", "update documents set collection = 'A/B'"),
        ("journal", "drop table jobs"),
        ("keys", "update keys set id = 'x_y'"),
        ("keys", "update keys set role = 'root'"),
        ("keys", "update keys set digest = x''"),
        ("keys", "update keys set salt = x'00'"),
        ("keys", "update keys set rate = 'often'"),
        ("keys", "update keys set groups = '1'"),
        ("keys", "update keys set expires = 'never'"),
    ],
)
def test_what_no_service_writes_is_refused(
    files: tuple[Path, Path], name: str, change: str
) -> None:
    file = dict(zip(("journal", "keys"), files, strict=True))[name]
    with closing(sqlite3.connect(file)) as db:
        db.execute(change)
        db.commit()

    with pytest.raises(BadArchive, match=f"{name}.sqlite3 holds what no service writes"):
        check_rows(*files)


def test_what_is_no_database_is_refused(files: tuple[Path, Path]) -> None:
    files[0].write_bytes(b"no database")

    with pytest.raises(BadArchive):
        check_rows(*files)
