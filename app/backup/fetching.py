"""Backups from a service to where they are kept, held against their hashes on their way."""

import io
import json
import ssl
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlencode

from app.backup.archive import verified
from app.backup.kept import name_of
from app.backup.sealing import whole

SECONDS = 1800.0  # between two bytes
CONFLICT, NOTHING = 409, 204


class Busy(Exception):
    """The service makes none now: another one is made, or a document is read for too long."""


class WholeNeeded(Exception):
    """The service cannot tell what changed; the text says why."""


class Sink(Protocol):
    """What takes bytes."""

    def write(self, piece: bytes, /) -> int: ...


class Keeper(Protocol):
    """Where backups lie; every failure is an OSError."""

    def writing(self, name: str, size: int) -> AbstractContextManager[Sink]:
        """Give what takes a file; it has its name at the end, or is not there."""

    def names(self) -> list[str]: ...

    def remove(self, name: str) -> None: ...


@dataclass(frozen=True)
class Taken:
    """A backup that lies where it is kept."""

    name: str
    size: int


@dataclass(frozen=True)
class Source:
    """A service, an admin's key of it, and the one certificate that it may show."""

    url: str
    key_file: Path
    pin: Path | None = None

    def take(
        self, keeper: Keeper, since: str | None = None, *, even_empty: bool = True
    ) -> Taken | None:
        """Keep a backup, or what changed since a mark; None where nothing did.

        Without `even_empty` one of a service without documents is not kept either: it must not be
        the newest where what was lost waits to be put back. Raises Busy, WholeNeeded, BadArchive,
        OSError and HTTPException.
        """
        key = self.key_file.read_text().replace(",", "\n").split()[0]
        asked = f"?{urlencode({'since': since})}" if since is not None else ""
        request = urllib.request.Request(
            f"{self.url}/v1/backup{asked}",
            method="POST",
            headers={"Authorization": f"Bearer {key}"},
        )
        trust = None if self.pin is None else pinned(self.pin)
        try:
            reply = urllib.request.urlopen(request, timeout=SECONDS, context=trust)
        except urllib.error.HTTPError as error:
            if error.code == CONFLICT:
                raise _refusal(error) from None
            raise
        with reply:
            if reply.status == NOTHING:
                return None
            if not even_empty and reply.headers["Backup-Documents"] == "0":
                return None
            plain = reply.headers.get_content_type() == "application/x-tar"
            size = int(reply.headers["Content-Length"])
            # a service of the version before names no mark
            mark = reply.headers["Backup-Mark"] or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            name = name_of(mark, more=since is not None, plain=plain)
            with keeper.writing(name, size) as out:
                passing = _Passing(reply, out)
                if plain:
                    verified(passing)
                else:
                    whole(passing)
        return Taken(name, size)


def _refusal(error: urllib.error.HTTPError) -> Busy | WholeNeeded:
    try:
        told = json.load(error)
        kind, detail = str(told["type"]), str(told.get("detail"))
    except (ValueError, KeyError, TypeError):
        kind, detail = "", f"{error.code} {error.reason}"
    return WholeNeeded(detail) if kind.endswith(":whole-backup-needed") else Busy(detail)


def pinned(certificate: Path) -> ssl.SSLContext:
    """Return what trusts one certificate, whatever its names, and nobody who signed it."""
    first, end, _ = certificate.read_text("ascii").partition("-----END CERTIFICATE-----")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=f"{first}{end}\n")
    return context


class _Passing(io.RawIOBase):
    """Gives what is read on to another, too."""

    def __init__(self, source: IO[bytes], other: Sink) -> None:
        self._source, self._other = source, other

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size)
        self._other.write(piece)
        return piece
