"""Official release downloads, each checked against a sha256.

Where the sha256 of a release is known it is pinned beside its URL in tools/pins.py. Where it is
not, the checksum file that the project publishes with the release is used: that proves that nothing
was cut or changed on the way, and leaves it to TLS who published it.
STACKYARD_DOWNLOADS=http://HOST:PORT takes all of them from a mirror, laid out as
/ORIGINAL-HOST/PATH; a pinned sha256 holds there too.
"""

import gzip
import os
import tarfile
import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tools.cache import sha256_of
from tools.progress import stage

CONNECT_SECONDS = 3.0
PROBE_SECONDS = 4.0  # a look-up in a DNS that drops packets knows no timeout of its own
READ_SECONDS = 30.0
ATTEMPTS = 2  # a line that drops once is cheaper than the build that would follow

_probed: dict[str, str] = {}  # origin -> why it is not reachable, "" where it is; for this run


class DownloadFailed(Exception):
    """A release that could not be had whole; the next way is tried."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release file: what it is checked against, and which of its members are the tools."""

    url: str
    sha256: str = ""
    checksum_url: str = ""  # asked where no sha256 is known
    members: tuple[str, ...] = ()  # of a tar.gz; none: the file itself is the tool

    def __post_init__(self) -> None:
        if bool(self.sha256) == bool(self.checksum_url):
            message = f"{self.url} needs a sha256 or a checksum_url, and not both"
            raise ValueError(message)

    @property
    def urls(self) -> list[str]:
        """Return everything that is asked for, the file last."""
        return [*filter(None, [self.checksum_url]), self.url]


def fetch(name: str, release: Release, target: Path) -> None:
    """Put the tools of a release into a folder.

    Raises DownloadFailed where the host does not answer or the content is not what was published.
    """
    probe(release.urls)
    for url in release.urls:
        why = _probed[_origin(url)]
        if why:
            message = f"{urlsplit(_mirrored(url)).netloc} is not reachable: {why}"
            raise DownloadFailed(message)
    file_name = release.url.rsplit("/", 1)[1]
    wanted = release.sha256 or _published(release.checksum_url, file_name)
    draft = target / ".download"
    _download(release.url, draft, f"Downloading {file_name}")
    found = sha256_of(draft)
    if found != wanted:
        kind = "pinned" if release.sha256 else "published"
        message = f"{release.url} has sha256 {found}, {kind} is {wanted}"
        raise DownloadFailed(message)
    if release.members:
        _unpack(release, draft, target)
        draft.unlink()
    else:
        draft.rename(target / name)
    for file in target.iterdir():
        file.chmod(0o755)


def reachable(url: str) -> bool:
    """Say whether the host of a URL answers; asked once a run."""
    probe([url])
    return not _probed[_origin(url)]


def probe(urls: Iterable[str]) -> None:
    """Find out which hosts answer, all at once, so that a run without internet loses seconds."""
    unknown = {_origin(url): _mirrored(url) for url in urls if _origin(url) not in _probed}
    found: dict[str, str] = {}

    def ask(origin: str, url: str) -> None:
        timeout = httpx.Timeout(CONNECT_SECONDS)
        try:
            # not HEAD: hosts that sign their URLs for GET refuse it
            with httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as answer:
                refused = answer.status_code in (401, 403, 407) or answer.status_code >= 500
                found[origin] = f"status {answer.status_code}" if refused else ""
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            found[origin] = _why(error)

    asking = [threading.Thread(target=ask, args=each, daemon=True) for each in unknown.items()]
    for thread in asking:
        thread.start()
    end = time.monotonic() + PROBE_SECONDS
    for thread in asking:
        thread.join(max(end - time.monotonic(), 0))
    silent = f"no answer within {PROBE_SECONDS:.0f} s"
    _probed.update({origin: found.get(origin, silent) for origin in unknown})


def _download(url: str, target: Path, title: str) -> None:
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    for left in reversed(range(ATTEMPTS)):
        try:
            with (
                stage(title) as shown,
                target.open("wb") as file,
                httpx.stream(
                    "GET", _mirrored(url), timeout=timeout, follow_redirects=True
                ) as answer,
            ):
                answer.raise_for_status()
                total = int(answer.headers.get("Content-Length", 0))
                for block in answer.iter_bytes(1 << 20):
                    file.write(block)
                    shown.update(file.tell() / total if total else 0)
        except httpx.HTTPError as error:
            if not left or isinstance(error, httpx.HTTPStatusError):
                message = f"{url}: {_why(error)}"
                raise DownloadFailed(message) from error
        else:
            return


def _published(url: str, file_name: str) -> str:
    """Return a file's sha256 from a checksum file: a bare digest, or `digest  name` lines."""
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        answer = httpx.get(_mirrored(url), timeout=timeout, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        message = f"{url}: {_why(error)}"
        raise DownloadFailed(message) from error
    for line in answer.text.splitlines():
        words = line.split()
        if words and len(words[0]) == 64 and _names(words[1:], file_name):
            return words[0].lower()
    message = f"{url} has no sha256 of {file_name}"
    raise DownloadFailed(message)


def _names(words: list[str], file_name: str) -> bool:
    return not words or words[0].lstrip("*").rsplit("/", 1)[-1] == file_name


def _unpack(release: Release, archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive, mode="r:gz") as opened:
            for member in release.members:
                file = opened.extractfile(member)
                if file is None:
                    raise KeyError(member)
                with file, (target / Path(member).name).open("wb") as out:
                    while block := file.read(1 << 20):
                        out.write(block)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError) as error:
        message = f"{release.url} cannot be unpacked: {error}"
        raise DownloadFailed(message) from error


def _why(error: Exception) -> str:
    """Return an error's reason in one line."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return str(error) or type(error).__name__


def _origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(_mirrored(url)))


def _mirrored(url: str) -> str:
    mirror = os.environ.get("STACKYARD_DOWNLOADS")
    if not mirror:
        return url
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"
