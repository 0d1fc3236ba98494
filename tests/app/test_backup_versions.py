"""Which backups are taken: of this version and earlier ones, whole, and understood."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.access.key_store import KeyStore
from app.backup.archive import BadArchive, Manifest, member, written
from app.backup.chain import JOURNAL, KEYS, unpacked
from app.backup.points import PointLines
from app.backup.receiving import problem_of
from app.documents.journal import Journal
from app.documents.opening import WrongFormat
from app.documents.schema import FORMAT
from pipelines.settings import StoreSettings

POINTS = "points/documents.jsonl"


def received(
    folder: Path,
    journal_format: int,
    *,
    sha256: str = "a" * 64,
    lacking: str = "",
    damaged: str = "",
) -> Path:
    """Return a folder with a backup as it came: its hashes right, its journal of some format."""
    source, target = folder / "source", folder / "target"
    for each in (source, target):
        each.mkdir()
    (source / "points").mkdir()
    (source / POINTS).write_bytes(b"")
    held = Journal(source / JOURNAL)
    held.accept("documents", "a.txt", sha256, 1)
    held.close()
    KeyStore(source / KEYS).close()
    with closing(sqlite3.connect(source / JOURNAL)) as db:
        db.execute(f"pragma user_version = {journal_format}")
    if damaged:
        (source / damaged).write_bytes((source / damaged).read_bytes()[:4000] + b"x" * 5000)
    members = tuple(member(source, each) for each in (JOURNAL, KEYS, POINTS) if each != lacking)
    manifest = Manifest("2026-11-27T03:00:00+00:00", 384, "m", 0, {"documents": 0}, members)
    (target / "backup.tar").write_bytes(b"".join(written(source, manifest)))
    return target


@pytest.mark.parametrize("journal_format", range(FORMAT + 1))
def test_a_backup_of_this_version_or_an_earlier_one_is_taken(
    tmp_path: Path, journal_format: int
) -> None:
    target = received(tmp_path, journal_format)

    assert unpacked(target).documents == 0
    Journal(target / JOURNAL).close()


def test_a_backup_whose_journal_names_files_of_its_own_is_refused(tmp_path: Path) -> None:
    target = received(tmp_path, FORMAT, sha256="../../keys.sqlite3")

    with pytest.raises(BadArchive, match="holds what no service writes"):
        unpacked(target)


def test_a_backup_of_a_later_version_is_refused_before_anything_changes(tmp_path: Path) -> None:
    target = received(tmp_path, FORMAT + 1)

    with pytest.raises(WrongFormat) as refused:
        unpacked(target)

    told = problem_of(refused.value)
    assert (told.status_code, told.name) == (409, "later-version")
    assert f"of format {FORMAT + 1}, and this version knows {FORMAT}" in str(told.detail)


@pytest.mark.parametrize("name", [JOURNAL, KEYS, POINTS])
def test_a_backup_without_a_part_is_refused_before_anything_changes(
    tmp_path: Path, name: str
) -> None:
    target = received(tmp_path, FORMAT, lacking=name)

    with pytest.raises(BadArchive, match=f"'{name}' is missing"):
        unpacked(target)


@pytest.mark.parametrize("name", [JOURNAL, KEYS])
def test_a_database_that_is_damaged_beneath_its_hash_is_refused(tmp_path: Path, name: str) -> None:
    target = received(tmp_path, FORMAT, damaged=name)

    with pytest.raises(BadArchive, match="its journal or its keys are damaged"):
        unpacked(target)


def test_a_line_of_points_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "points.jsonl").write_bytes(b'{"id": 1}\n{"id":\n')
    lines = PointLines(StoreSettings(url="http://store", dimension=384), "documents")

    with pytest.raises(BadArchive, match="a line of its points is damaged"):
        asyncio.run(lines.load(tmp_path / "points.jsonl"))
