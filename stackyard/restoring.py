"""What a service is sent for a restore: one backup, or a whole one and what goes on from it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from stackyard.archives import Archive, checked
from stackyard.buckets import Stored, is_address, listed
from stackyard.chains import chain, kept, moment_of
from stackyard.errors import Trouble

CHUNK = 2**20
LENGTH = 8  # of the number in front of each file where there are several, big-endian
Say = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """Checked files in the order in which they go on from each other."""

    paths: list[Path]

    @property
    def several(self) -> bool:
        return len(self.paths) > 1

    @property
    def size(self) -> int:
        return sum(path.stat().st_size + LENGTH * self.several for path in self.paths)

    def pieces(self) -> Iterator[bytes]:
        """Yield them as one body."""
        for path in self.paths:
            if self.several:
                yield path.stat().st_size.to_bytes(LENGTH, "big")
            with path.open("rb") as source:
                while piece := source.read(CHUNK):
                    yield piece


@contextmanager
def chosen(place: str, at: str | None, say: Say) -> Iterator[Files]:
    """Give the files of a file, a folder or a bucket; a bucket's are here only for that time.

    `at` is the moment that a folder or a bucket goes back to. Raises Trouble.
    """
    moment = None if at is None else moment_of(at)
    with ExitStack() as stack:
        if is_address(place):
            found = _in_bucket(place, moment, say)
            try:
                paths = [stack.enter_context(each.local()) for each in found]
            except OSError as error:
                message = f"{place}: {error.strerror or error}"
                raise Trouble(message, "TMPDIR must have room for it") from None
        else:
            paths = _in_folder(Path(place), moment, say)
        for path in paths:  # before hours are spent on sending them
            held = checked(path)
            if len(paths) == 1 and isinstance(held, Archive) and held.since is not None:
                raise _part_alone(place)
        yield Files(paths)


def _in_folder(path: Path, at: datetime | None, say: Say) -> list[Path]:
    if path.is_dir():
        return [
            path / name for name in _chain(path, [each.name for each in path.iterdir()], at, say)
        ]
    if not path.is_file():
        message = f"{path} is not a file"
        raise Trouble(message, "name what `stackyard backup` wrote")
    _check_alone(str(path), at)
    return [path]


def _in_bucket(place: str, at: datetime | None, say: Say) -> list[Stored]:
    below = {str(each): each for each in listed(place)}
    if place in below:
        _check_alone(place, at)
        return [below[place]]
    folder = place.rstrip("/")
    here = {each.name: each for name, each in below.items() if _above(name) == folder}
    return [here[name] for name in _chain(place, list(here), at, say)]


def _chain(place: object, names: list[str], at: datetime | None, say: Say) -> list[str]:
    found = chain(str(place), names, at)
    more = f" and {len(found) - 1} that go on from it" if len(found) > 1 else ""
    say(f"{found[0].name}{more}: all as it was at {found[-1].moment:%Y-%m-%dT%H:%M:%SZ}")
    return [each.name for each in found]


def _check_alone(place: str, at: datetime | None) -> None:
    told = kept(place.rpartition("/")[2])
    if told is not None and told.more:
        raise _part_alone(place)
    if at is not None:
        message = f"--at is given, and {place} is one backup, of one moment"
        raise Trouble(message, f"stackyard restore {_above(place)} --at MOMENT")


def _part_alone(place: str) -> Trouble:
    message = f"{place} has only what changed since the backup before it"
    told = kept(place.rpartition("/")[2])
    # names have milliseconds
    at = f" --at {told.moment + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}" if told else ""
    return Trouble(message, f"stackyard restore {_above(place)}{at}")


def _above(place: str) -> str:
    return place.rpartition("/")[0] or "."
