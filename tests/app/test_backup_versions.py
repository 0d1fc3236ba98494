"""Which backups a version takes: its own and earlier ones, and none that it does not understand."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.backup.archive import Manifest, member, written
from app.backup.chain import JOURNAL, unpacked
from app.backup.receiving import problem_of
from app.documents.journal import Journal
from app.documents.opening import WrongFormat
from app.documents.schema import FORMAT


def received(folder: Path, journal_format: int) -> Path:
    """Return a folder with a backup as it came, its journal of some format."""
    source, target = folder / "source", folder / "target"
    for each in (source, target):
        each.mkdir()
    Journal(source / JOURNAL).close()
    with closing(sqlite3.connect(source / JOURNAL)) as db:
        db.execute(f"pragma user_version = {journal_format}")
    members = (member(source, JOURNAL),)
    manifest = Manifest("2026-11-27T03:00:00+00:00", 384, "m", 0, {}, members)
    (target / "backup.tar").write_bytes(b"".join(written(source, manifest)))
    return target


@pytest.mark.parametrize("journal_format", range(FORMAT + 1))
def test_a_backup_of_this_version_or_an_earlier_one_is_taken(
    tmp_path: Path, journal_format: int
) -> None:
    target = received(tmp_path, journal_format)

    assert unpacked(target).documents == 0
    Journal(target / JOURNAL).close()


def test_a_backup_of_a_later_version_is_refused_before_anything_changes(tmp_path: Path) -> None:
    target = received(tmp_path, FORMAT + 1)

    with pytest.raises(WrongFormat) as refused:
        unpacked(target)

    told = problem_of(refused.value)
    assert (told.status_code, told.name) == (409, "later-version")
    assert f"of format {FORMAT + 1}, and this version knows {FORMAT}" in str(told.detail)
