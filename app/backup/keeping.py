"""`python -m app.backup.keeping`: a backup into a folder or a bucket, and the oldest away.

What the stack's CronJob runs, in the app's image: it needs the service's address, a key of an
admin and a volume or a bucket, and is told all by its arguments.
"""

import argparse
import io
import os
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import IO, Protocol

from app.backup import identity
from app.backup.archive import BadArchive, verified
from app.backup.bucket import Bucket, Place
from app.backup.sealing import PLAIN, SEALED, whole

PREFIX = "stackyard-"
SECONDS = 1800.0  # between two bytes


class Sink(Protocol):
    """What takes bytes."""

    def write(self, piece: bytes, /) -> int: ...


class Keeper(Protocol):
    """Where backups lie; every failure is an OSError."""

    def writing(self, name: str, size: int) -> AbstractContextManager[Sink]:
        """Give what takes a file; it has its name at the end, or is not there."""

    def names(self) -> list[str]: ...

    def remove(self, name: str) -> None: ...


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
        return [file.name for file in self._root.iterdir()]

    def remove(self, name: str) -> None:
        (self._root / name).unlink()


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where a whole backup lies there now; what is wrong goes to stderr."""
    given = parser().parse_args(arguments)
    keeper = Folder(given.folder) if given.folder is not None else _bucket(given)
    key = given.key_file.read_text().replace(",", "\n").split()[0]
    try:
        trust = None if given.pin is None else pinned(given.pin)
        name, size = take(given.url, key, keeper, trust)
        gone = prune(keeper, given.keep)
    except (OSError, HTTPException, BadArchive) as error:
        reason = (
            f"{error.code} {error.reason}" if isinstance(error, urllib.error.HTTPError) else error
        )
        print(f"no backup was taken: {reason}", file=sys.stderr)
        return 1
    print(f"{name} {size} bytes, removed {', '.join(gone) or 'none'}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("--key-file", type=Path, required=True)
    options.add_argument("--keep", type=int, required=True)
    options.add_argument("--pin", type=Path, help="the one certificate that the service may show")
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


def pinned(certificate: Path) -> ssl.SSLContext:
    """Return what trusts one certificate, whatever its names, and nobody who signed it."""
    first, end, _ = certificate.read_text("ascii").partition("-----END CERTIFICATE-----")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=f"{first}{end}\n")
    return context


def take(
    url: str, key: str, keeper: Keeper, trust: ssl.SSLContext | None = None
) -> tuple[str, int]:
    """Fetch a backup, held against its hashes on its way; return its name and its size."""
    request = urllib.request.Request(
        f"{url}/v1/backup", method="POST", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as reply:
        plain = reply.headers.get_content_type() == "application/x-tar"
        size = int(reply.headers["Content-Length"])
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        name = f"{PREFIX}{stamp}{PLAIN if plain else SEALED}"
        with keeper.writing(name, size) as out:
            passing = _Passing(reply, out)
            if plain:
                verified(passing)
            else:
                whole(passing)
    return name, size


def prune(keeper: Keeper, keep: int) -> list[str]:
    """Remove all but the newest; return the names of those that are gone."""
    backups = sorted(
        name
        for name in keeper.names()
        if name.startswith(PREFIX) and name.endswith((PLAIN, SEALED))
    )
    for name in backups[:-keep]:
        keeper.remove(name)
    return backups[:-keep]


class _Passing(io.RawIOBase):
    """Gives what is read on to another, too."""

    def __init__(self, source: IO[bytes], other: Sink) -> None:
        self._source, self._other = source, other

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size)
        self._other.write(piece)
        return piece


if __name__ == "__main__":
    sys.exit(main())
