"""A chain that is kept going: what is due when, what goes, and how often it is tried."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.backup.fetching import Busy, Keeper, Source, Taken, WholeNeeded
from app.backup.following import BUSY_SECONDS, Follower, follow, prune
from app.backup.keeping import Folder
from app.backup.kept import backups, name_of, unwanted

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Scripted(Source):
    """Makes an empty file of each backup; `asked` is by which marks, `say` what it answers."""

    def __init__(self, say: Callable[[str | None], str | Exception | None]) -> None:
        super().__init__("http://nowhere", Path("key"))
        self.__dict__.update(say=say, asked=[])

    asked: list[str | None]
    say: Callable[[str | None], str | Exception | None]

    def take(
        self, keeper: Keeper, since: str | None = None, *, even_empty: bool = True
    ) -> Taken | None:
        assert even_empty is (since is not None)
        self.asked.append(since)
        said = self.say(since)
        if isinstance(said, Exception):
            raise said
        if said is None:
            return None
        name = name_of(said, more=since is not None, plain=False)
        with keeper.writing(name, 0):
            return Taken(name, 0)


def mark(hour: int, minute: int = 0) -> str:
    return f"20261127T{hour:02}{minute:02}00000Z-0000000a"


def follower(source: Source, folder: Path, keep: int = 2) -> Follower:
    return Follower(source, Folder(folder), keep=keep, whole_every=24.0, now=lambda: NOON)


def files(folder: Path) -> list[str]:
    return [each.name for each in backups(each.name for each in folder.iterdir())]


def whole(at: str) -> str:
    return name_of(at, more=False, plain=False)


def more(at: str) -> str:
    return name_of(at, more=True, plain=False)


def test_the_first_is_whole_and_what_changes_goes_on_from_the_newest(tmp_path: Path) -> None:
    answers = iter([mark(10), None, mark(11), mark(11, 30)])
    source = Scripted(lambda _since: next(answers))
    steps = follower(source, tmp_path)

    said = [steps.step() for _ in range(4)]

    assert source.asked == [None, mark(10), mark(10), mark(11)]
    assert files(tmp_path) == [whole(mark(10)), more(mark(11)), more(mark(11, 30))]
    assert said == [
        f"{whole(mark(10))} 0 bytes, removed none",
        None,
        f"{more(mark(11))} 0 bytes, removed none",
        f"{more(mark(11, 30))} 0 bytes, removed none",
    ]


@pytest.mark.parametrize(
    "newest",
    [
        whole("20261126T110000000Z-0000000a"),  # more than a day ago
        "stackyard-20261127T110000Z.tar",  # from before there were marks
        more(mark(11)),  # of which the whole one is gone
    ],
)
def test_a_whole_one_is_due(tmp_path: Path, newest: str) -> None:
    (tmp_path / newest).touch()
    source = Scripted(lambda _since: mark(12))

    follower(source, tmp_path).step()

    assert source.asked == [None]
    assert whole(mark(12)) in files(tmp_path)


def test_a_whole_one_is_taken_where_nobody_can_tell_what_changed(tmp_path: Path) -> None:
    (tmp_path / whole(mark(10))).touch()
    source = Scripted(lambda since: mark(12) if since is None else WholeNeeded("forgotten"))

    follower(source, tmp_path).step()

    assert source.asked == [mark(10), None]
    assert files(tmp_path) == [whole(mark(10)), whole(mark(12))]


def test_an_empty_service_never_becomes_the_newest_backup(tmp_path: Path) -> None:
    """A new cluster follows into the bucket of the lost one, before anybody restores from it."""
    (tmp_path / whole("20261120T030000000Z-0000000a")).touch()
    source = Scripted(lambda since: None if since is None else WholeNeeded("no such mark"))

    assert follower(source, tmp_path).step() is None

    assert files(tmp_path) == [whole("20261120T030000000Z-0000000a")]


def test_a_whole_one_goes_with_all_that_goes_on_from_it_the_newest_first(tmp_path: Path) -> None:
    kept = [
        whole(mark(1)), more(mark(2)), more(mark(3)),
        whole(mark(4)), more(mark(5)), whole(mark(6)), more(mark(7)),
    ]  # fmt: skip
    for name in [*kept, "stackyard-dev-20261127T010000Z.tar", "notes.tar"]:
        (tmp_path / name).touch()

    gone = prune(Folder(tmp_path), 2)

    assert gone == [more(mark(3)), more(mark(2)), whole(mark(1))]
    assert files(tmp_path) == kept[3:]
    assert len(list(tmp_path.iterdir())) == len(kept) - 3 + 2
    assert unwanted(backups(kept), 3) == []


class Stopped(BaseException):
    """Ends what goes on until it is stopped."""


def test_failures_are_tried_again_and_a_file_says_how_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script: list[str | Exception | None] = [OSError("away"), Busy("a document is read"), mark(11)]
    answers = iter(script)
    waits: list[tuple[float, str]] = []
    state = tmp_path / "state"

    def pause(seconds: float) -> None:
        waits.append((seconds, state.read_text()))
        if len(waits) == len(script):
            raise Stopped

    with pytest.raises(Stopped):
        follow(
            follower(Scripted(lambda _since: next(answers)), tmp_path / "kept"),
            30.0,
            state=state,
            pause=pause,
        )

    assert waits == [(30.0, "failing"), (BUSY_SECONDS, "following"), (30.0, "following")]
    said = capsys.readouterr()
    assert said.out == f"{whole(mark(11))} 0 bytes, removed none\n"
    assert said.err == "no backup was taken: away\nlater: a document is read\n"
