"""`python -m app.backup.keeping`: one backup into a folder, and the oldest beyond some away.

What the stack's CronJob runs, in the app's image: it needs the service's address, a key of an
admin and a volume, and is told all by its arguments.
"""

import argparse
import os
import shutil
import ssl
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from app.backup.archive import BadArchive, verified

PREFIX, SUFFIX = "stackyard-", ".tar"
SECONDS = 1800.0  # between two bytes
CHUNK = 2**20


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where a whole backup lies in the folder now; what is wrong goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key-file", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--keep", type=int, required=True)
    parser.add_argument("--pin", type=Path, help="the one certificate that the service may show")
    given = parser.parse_args(arguments)
    key = given.key_file.read_text().replace(",", "\n").split()[0]
    try:
        trust = None if given.pin is None else pinned(given.pin)
        file = take(given.url, key, given.folder, trust)
    except (OSError, BadArchive) as error:
        reason = (
            f"{error.code} {error.reason}" if isinstance(error, urllib.error.HTTPError) else error
        )
        print(f"no backup was taken: {reason}", file=sys.stderr)
        return 1
    gone = prune(given.folder, given.keep)
    print(f"{file.name} {file.stat().st_size} bytes, removed {', '.join(gone) or 'none'}")
    return 0


def pinned(certificate: Path) -> ssl.SSLContext:
    """Return what trusts one certificate, whatever its names, and nobody who signed it."""
    first, end, _ = certificate.read_text("ascii").partition("-----END CERTIFICATE-----")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=f"{first}{end}\n")
    return context


def take(url: str, key: str, folder: Path, trust: ssl.SSLContext | None = None) -> Path:
    """Fetch a backup, hold it against its own hashes, and only then give it its name."""
    request = urllib.request.Request(
        f"{url}/v1/backup", method="POST", headers={"Authorization": f"Bearer {key}"}
    )
    partial = folder / "unfinished.part"
    try:
        with (
            urllib.request.urlopen(request, timeout=SECONDS, context=trust) as reply,
            partial.open("wb") as out,
        ):
            shutil.copyfileobj(reply, out, CHUNK)
            out.flush()
            os.fsync(out.fileno())
        verified(partial)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        return partial.replace(folder / f"{PREFIX}{stamp}{SUFFIX}")
    finally:
        partial.unlink(missing_ok=True)


def prune(folder: Path, keep: int) -> list[str]:
    """Remove all but the newest; return the names of those that are gone."""
    files = sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))
    for file in files[:-keep]:
        file.unlink()
    return [file.name for file in files[:-keep]]


if __name__ == "__main__":
    sys.exit(main())
