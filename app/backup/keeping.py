"""`python -m app.backup.keeping`: a backup into a folder or a bucket, and the oldest away.

What the stack's CronJob runs, in the app's image: it needs the service's address, a key of an
admin and a volume or a bucket, and is told all by its arguments. With `--follow` it goes on by
what changed since, until it is stopped.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.backup import identity
from app.backup.bucket import Bucket, Place
from app.backup.fetching import Source
from app.backup.following import FAILURES, Follower, follow, prune, reason


class Folder:
    """A Keeper of files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def writing(self, name: str, size: int) -> Iterator[IO[bytes]]:
        self._root.mkdir(parents=True, exist_ok=True)
        partial = self._root / "unfinished.part"
        try:
            with partial.open("wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            partial.replace(self._root / name)
        finally:
            partial.unlink(missing_ok=True)

    def names(self) -> list[str]:
        return [file.name for file in self._root.iterdir()] if self._root.exists() else []

    def remove(self, name: str) -> None:
        (self._root / name).unlink()


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where a whole backup lies there now; what is wrong goes to stderr."""
    given = parser().parse_args(arguments)
    keeper = Folder(given.folder) if given.folder is not None else _bucket(given)
    source = Source(given.url, given.key_file, given.pin)
    if given.follow is not None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        follower = Follower(source, keeper, keep=given.keep, whole_every=given.whole_every)
        follow(follower, given.follow, state=given.state)
    try:
        taken = source.take(keeper)
        gone = prune(keeper, given.keep)
    except FAILURES as error:
        print(f"no backup was taken: {reason(error)}", file=sys.stderr)
        return 1
    assert taken is not None
    print(f"{taken.name} {taken.size} bytes, removed {', '.join(gone) or 'none'}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("--key-file", type=Path, required=True)
    options.add_argument("--keep", type=int, required=True, help="whole ones, with what continues")
    options.add_argument("--pin", type=Path, help="the one certificate that the service may show")
    options.add_argument(
        "--follow", type=float, metavar="SECONDS", help="go on by what changed, this often at most"
    )
    options.add_argument(
        "--whole-every", type=float, metavar="HOURS", default=24.0, help="while following"
    )
    options.add_argument("--state", type=Path, help="a file that says how following goes")
    place = options.add_mutually_exclusive_group(required=True)
    place.add_argument("--folder", type=Path)
    place.add_argument("--bucket")
    options.add_argument("--prefix", default="", help="of the objects; ends in a slash")
    options.add_argument("--endpoint", help="of S3, or of what speaks like it")
    options.add_argument("--region")
    options.add_argument("--bucket-key-file", type=Path, help="ID:SECRET; without: Pod Identity")
    return options


def _bucket(given: argparse.Namespace) -> Bucket:
    place = Place(given.endpoint, given.region, given.bucket, given.prefix)
    key = given.bucket_key_file
    return Bucket(place, identity.of_pod() if key is None else identity.of_file(key))


if __name__ == "__main__":
    sys.exit(main())
