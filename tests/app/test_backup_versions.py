"""Which backups a version takes: its own and earlier ones, and none that it does not understand."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.backup.archive import Manifest, member, written
from app.backup.backups import JOURNAL, unpacked
from app.documents.journal import Journal
from app.documents.schema import FORMAT
from app.problems import Problem


def received(
    folder: Path, journal_format: int, *, sha256: str = "a" * 64, journal: bytes | None = None
) -> Path:
    """Return a folder with a backup as it came, its journal of some format, of one upload."""
    source, target = folder / "source", folder / "target"
    for each in (source, target):
        each.mkdir()
    held = Journal(source / JOURNAL)
    held.accept("documents", "a.txt", sha256, 1)
    held.close()
    with closing(sqlite3.connect(source / JOURNAL)) as db:
        db.execute(f"pragma user_version = {journal_format}")
    if journal is not None:
        (source / JOURNAL).write_bytes(journal)
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


def test_a_backup_whose_journal_is_none_is_refused_as_damaged(tmp_path: Path) -> None:
    target = received(tmp_path, FORMAT, journal=b"no database at all")

    with pytest.raises(Problem) as refused:
        unpacked(target)

    assert refused.value.status_code == 422


def test_a_backup_whose_journal_names_files_of_its_own_is_refused(tmp_path: Path) -> None:
    target = received(tmp_path, FORMAT, sha256="../../keys.sqlite3")

    with pytest.raises(Problem) as refused:
        unpacked(target)

    assert refused.value.status_code == 422
    assert "holds what no service writes. Nothing was changed" in str(refused.value.detail)


def test_a_backup_of_a_later_version_is_refused_before_anything_changes(tmp_path: Path) -> None:
    target = received(tmp_path, FORMAT + 1)

    with pytest.raises(Problem) as refused:
        unpacked(target)

    assert refused.value.status_code == 409
    assert f"of format {FORMAT + 1}, and this version knows {FORMAT}" in str(refused.value.detail)
