"""Reads from a registry: manifests, what blobs it has, and blobs by chunk that go on after a cut.

Writing is skopeo's (transport.py). Why reading is not: docs/adr/0012.
"""

import base64
import re
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from infra.registry import DOCKER_HUB
from stackyard.bundle.access import Access, refused
from stackyard.bundle.layout import INDEXES, MANIFESTS, Blob, digest_of, sha256_of
from stackyard.errors import Trouble

ACCEPT = ", ".join((*INDEXES, *MANIFESTS))
HUB_HOST = "registry-1.docker.io"
LOCAL = ("localhost", "127.0.0.1", "[::1]")
ATTEMPTS = 5
CHUNK = 1 << 20
TIMEOUT = httpx.Timeout(30, connect=10)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Registry:
    """One registry, over connections that stay open; safe for several threads."""

    def __init__(self, access: Access) -> None:
        self.access = access
        host = HUB_HOST if access.host == DOCKER_HUB else access.host
        plain = access.plain or (host.partition(":")[0] in LOCAL and access.ca is None)
        self._base = f"{'http' if plain else 'https'}://{host}"
        trusted = ssl.create_default_context(cafile=str(access.ca) if access.ca else None)
        # a proxy of the environment is for the outside; a registry on this machine is not there
        near = host.partition(":")[0] in LOCAL
        self._client = httpx.Client(
            verify=trusted, timeout=TIMEOUT, follow_redirects=False, trust_env=not near
        )
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def check(self) -> None:
        """Ask for nothing but an answer. Raises Trouble where there is none."""
        answer = self._ask("GET", "/v2/", scope="")
        if answer.status_code not in (200, 404):
            raise refused(answer.status_code, self.access.host, "the registry's door /v2/")

    def manifest(self, path: str, reference: str) -> tuple[bytes, str] | None:
        """Return the bytes and the media type of a manifest by tag or digest; None: not there.

        Raises Refused where the registry will not say, Trouble where it serves other bytes.
        """
        answer = self._ask("GET", f"/v2/{path}/manifests/{reference}", accept=ACCEPT, path=path)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            what = f"reading {path}:{reference}"
            raise refused(answer.status_code, self.access.host, what, _said(answer))
        if reference.startswith("sha256:") and digest_of(answer.content) != reference:
            message = f"{self.access.host} serves other bytes than {path}@{reference}"
            raise Trouble(message, "look at the registry's storage, then load the bundle again")
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        return answer.content, kind

    def blob(self, path: str, digest: str) -> bytes:
        """Return a small blob, checked. Raises Refused or Trouble where it cannot be had."""
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch, "blob")
            answer = self._ask("HEAD", f"/v2/{path}/blobs/{digest}", path=path)
            size = int(answer.headers.get("Content-Length", 0))
            self.fetch_blob(path, Blob(digest, size), target, lambda _moved: None)
            return target.read_bytes()

    def has_blob(self, path: str, digest: str) -> bool:
        """Tell whether a repository has a blob."""
        answer = self._ask("HEAD", f"/v2/{path}/blobs/{digest}", path=path)
        if answer.status_code in (200, 307):
            return True
        if answer.status_code == 404:
            return False
        raise refused(answer.status_code, self.access.host, f"asking for {digest} of {path}")

    def fetch_blob(self, path: str, blob: Blob, target: Path, moved: Callable[[int], None]) -> None:
        """Fetch a blob to a file, which appears whole and checked or not at all.

        What a cut or a kill leaves in TARGET.partial is gone on from; `moved` gets each chunk's
        bytes. Raises Trouble after ATTEMPTS tries without a new byte.
        """
        partial = target.with_name(f"{target.name}.partial")
        left = ATTEMPTS
        while left:
            before = partial.stat().st_size if partial.exists() else 0
            try:
                if before < blob.size:
                    self._chunk(path, blob, partial, before, moved)
            except httpx.HTTPError as error:
                grown = partial.exists() and partial.stat().st_size > before
                left = ATTEMPTS if grown else left - 1
                if not left:
                    message = f"{blob.digest} of {path} broke off {ATTEMPTS} times: {error}"
                    raise Trouble(message, "run the same command again, it goes on") from None
                time.sleep(0.2 * 2 ** (ATTEMPTS - left))
                continue
            if partial.stat().st_size < blob.size:
                left -= 1  # the connection ended early and said nothing
                continue
            if partial.stat().st_size == blob.size and sha256_of(partial) == blob.digest:
                partial.replace(target)
                return
            partial.unlink()
            left -= 1
        message = f"{self.access.host} serves other bytes than {path}@{blob.digest}"
        raise Trouble(message, "try again; if it stays so, the registry's copy is damaged")

    def _chunk(
        self, path: str, blob: Blob, partial: Path, offset: int, moved: Callable[[int], None]
    ) -> None:
        url = f"{self._base}/v2/{path}/blobs/{blob.digest}"
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        headers = {**ranged, **self._authorization(path)}
        for _ in range(4):  # the challenge, and where a registry keeps its blobs elsewhere
            with self._client.stream("GET", url, headers=headers) as answer:
                if answer.status_code == 401 and self._is_ours(url):
                    self._answer_challenge(answer, path)
                    headers = {**ranged, **self._authorization(path)}
                    continue
                if answer.is_redirect:
                    url = str(httpx.URL(url).join(answer.headers["Location"]))
                    headers = headers if self._is_ours(url) else ranged
                    continue
                if answer.status_code >= 500:
                    message = f"answered {answer.status_code}"
                    raise httpx.RemoteProtocolError(message)
                if answer.status_code not in (200, 206):
                    what = f"fetching {blob.digest} of {path}"
                    raise refused(answer.status_code, self.access.host, what)
                whole = answer.status_code == 200  # knows no ranges: from the start
                with partial.open("wb" if whole else "ab") as file:
                    for piece in answer.iter_raw(CHUNK):
                        file.write(piece)
                        moved(len(piece))
                return
        message = f"{self.access.host} redirects {blob.digest} in circles, or asks for a key again"
        raise refused(401, self.access.host, message)

    def _ask(
        self, method: str, url: str, *, accept: str = "", path: str = "", scope: str | None = None
    ) -> httpx.Response:
        """Send a request, answer a challenge, and try again where the registry stumbles."""
        headers = {"Accept": accept} if accept else {}
        for attempt in range(ATTEMPTS):
            try:
                answer = self._client.request(
                    method, self._base + url, headers={**headers, **self._authorization(path)}
                )
                if answer.status_code == 401:
                    self._answer_challenge(answer, path)
                    answer = self._client.request(
                        method, self._base + url, headers={**headers, **self._authorization(path)}
                    )
            except httpx.HTTPError as error:
                if "CERTIFICATE" in str(error).upper():
                    message = f"{self.access.host} is not trusted: {error}"
                    raise Trouble(message, "--ca FILE with the certificate of its CA") from None
                if attempt + 1 == ATTEMPTS:
                    why = str(error) or type(error).__name__
                    message = f"the registry {self.access.host} does not answer: {why}"
                    raise Trouble(message, f"curl -v {self._base}/v2/") from None
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                if attempt + 1 == ATTEMPTS:
                    return answer
            time.sleep(0.1 * 2**attempt)
        raise AssertionError  # the loop returns or raises

    def _is_ours(self, url: str) -> bool:
        """Tell whether an address is the registry's own, and may be shown its key."""
        there, here = httpx.URL(url), httpx.URL(self._base)
        return (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port)

    def _authorization(self, path: str) -> dict[str, str]:
        with self._lock:
            token = self._tokens.get(path) or self._tokens.get("")
        return {"Authorization": token} if token else {}

    def _answer_challenge(self, answer: httpx.Response, path: str) -> None:
        """Keep what answers a 401: the basic credentials, or a token from where it points."""
        kind, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        access = self.access
        basic = None
        if access.username is not None:
            pair = f"{access.username}:{access.password or ''}"
            basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if kind.lower() != "bearer":
            if basic:
                with self._lock:
                    self._tokens[""] = basic
            return
        said = dict(CHALLENGE.findall(rest))
        asked = {
            key: value
            for key, value in {
                "service": said.get("service"),
                "scope": said.get("scope") or (f"repository:{path}:pull" if path else None),
            }.items()
            if value
        }
        answer = self._client.get(
            said.get("realm", ""), params=asked, headers={"Authorization": basic} if basic else {}
        )
        if answer.status_code != 200:
            raise refused(answer.status_code, access.host, "asking for a token", _said(answer))
        told = answer.json()
        with self._lock:
            self._tokens[path] = f"Bearer {told.get('token') or told.get('access_token')}"


def _said(answer: httpx.Response) -> str:
    try:
        errors = answer.json().get("errors", [])
        return "; ".join(f"{e.get('code')} {e.get('message')}" for e in errors)
    except (ValueError, AttributeError):
        return ""
