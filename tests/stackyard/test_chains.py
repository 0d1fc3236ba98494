"""`stackyard restore FOLDER`: which backups bring back which moment."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.backup.archive import Manifest, written
from app.backup.kept import name_of
from stackyard.chains import chain, moment_of
from stackyard.errors import Trouble
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import FakeService

FIRST, SECOND = "20260101T030000000Z-0000000a", "20260102T030000000Z-0000000b"
MORE = ("20260101T031500500Z-0000000c", "20260101T040000000Z-0000000d")
LATER = "20260102T030030000Z-0000000e"
NAMES = [
    *(name_of(mark, more=False, plain=True) for mark in (FIRST, SECOND)),
    *(name_of(mark, more=True, plain=False) for mark in (*MORE, LATER)),
    *("stackyard-dev-20260103T030000Z.tar", "notes.txt", "unfinished.part"),
]


def marks(at: str | None) -> list[str]:
    found = chain("there", NAMES, None if at is None else moment_of(at))
    return [each.name.removeprefix("stackyard-").partition(".")[0] for each in found]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, [SECOND, LATER]),
        ("2026-01-02T03:00:29Z", [SECOND]),
        ("2026-01-02T02:59:59", [FIRST, *MORE]),
        ("2026-01-01T05:00:00+01:00", [FIRST, *MORE]),
        ("2026-01-01T03:59:59Z", [FIRST, MORE[0]]),
        ("2026-01-01T03:15:00Z", [FIRST]),
    ],
)
def test_a_moment_needs_the_whole_backup_before_it_and_what_goes_on_up_to_it(
    at: str | None, expected: list[str]
) -> None:
    assert marks(at) == expected


def test_a_backup_by_an_older_schedule_is_a_whole_one() -> None:
    (found,) = chain("there", ["stackyard-20260101T030000Z.tar.sealed"], None)

    assert found.moment == datetime(2026, 1, 1, 3, tzinfo=UTC)


def test_a_moment_before_all_and_a_place_without_any_are_told() -> None:
    with pytest.raises(Trouble, match="no whole backup from before 2026-01-01T02:00:00Z") as early:
        marks("2026-01-01T02:00:00Z")
    assert f"hint: the first is stackyard-{FIRST}.tar" in str(early.value)
    with pytest.raises(Trouble, match="there has no whole backup\n"):
        chain("there", NAMES[2:], None)
    with pytest.raises(Trouble, match="--at is 'yesterday', which is no moment"):
        marks("yesterday")


def test_a_folder_is_sent_in_its_order_and_a_part_alone_is_not(
    service: FakeService, key_file: Path, invoke: Invoke, tmp_path: Path
) -> None:
    where = ("--url", service.url, "--key-file", key_file)
    folder = tmp_path / "kept"
    folder.mkdir()
    bodies = []
    for mark, since in ((FIRST, None), (MORE[0], FIRST)):
        held = Manifest("2026-01-01T03:00:00+00:00", 4, "m", 0, {}, (), mark, since)
        body = b"".join(written(folder, held))
        (folder / name_of(mark, more=since is not None, plain=True)).write_bytes(body)
        bodies.append(body)
    part = folder / name_of(MORE[0], more=True, plain=True)

    done = invoke("restore", folder, *where)
    sent = service.restored
    alone = invoke("restore", part, *where)
    part.rename(folder / "renamed.tar")
    renamed = invoke("restore", folder / "renamed.tar", *where)
    one = invoke("restore", folder / name_of(FIRST, more=False, plain=True), "--at", "2026", *where)

    assert done.exit_code == 0, done.stderr
    assert sent == b"".join(len(each).to_bytes(8, "big") + each for each in bodies)
    assert "all as it was at 2026-01-01T03:15:00Z" in done.stderr
    for refused in (alone, renamed):
        assert refused.exit_code == 1
        assert "has only what changed since the backup before it" in refused.stderr
    assert f"hint: stackyard restore {folder} --at 2026-01-01T03:15:01Z" in alone.stderr
    assert "--at is '2026', which is no moment" in one.stderr
    assert service.restored == sent
