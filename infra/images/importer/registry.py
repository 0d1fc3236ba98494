"""Reads an artefact from a registry: its manifest, and files that go on after a cut.

Only Python's own library: the image that this runs in has nothing else.
"""

import base64
import hashlib
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any

REFERENCE = re.compile(
    r"(?P<host>[^/]+)/(?P<path>[^@:]+)(:(?P<tag>[^@]+))?@(?P<digest>sha256:[0-9a-f]{64})"
)
ACCEPT = "application/vnd.oci.image.manifest.v1+json"
CHUNK = 2**20
TRIES, SECONDS = 6, 60


class NotUsable(Exception):
    """The artefact, or the registry's answer, cannot be used; the text says why."""


class Registry:
    """One artefact in a registry, by digest."""

    def __init__(self, artefact: str, keys: Path | None = None, ca: Path | None = None) -> None:
        found = REFERENCE.fullmatch(artefact)
        if found is None:
            message = f"'{artefact}' is not HOST/PATH:TAG@sha256:DIGEST"
            raise NotUsable(message)
        self.host, self.path, self.digest = found["host"], found["path"], found["digest"]
        local = ca is None and self.host.partition(":")[0] in ("localhost", "127.0.0.1")
        self.base = f"{'http' if local else 'https'}://{self.host}/v2/{self.path}"
        self.login = _login(keys, self.host)
        self.authorization: str | None = None
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), _Redirects()
        )

    def manifest(self) -> str:
        """Return the manifest, which is what its digest says."""
        with self._open(f"/manifests/{self.digest}", {"Accept": ACCEPT}) as answer:
            content: bytes = answer.read()
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != self.digest:
            message = f"the registry answered with another manifest than {self.digest}"
            raise NotUsable(message)
        return content.decode()

    def fetch(self, digest: str, target: Path) -> None:
        """Write a file, going on with what is there; its digest is the caller's to check."""
        for attempt in range(TRIES):
            there = target.stat().st_size if target.exists() else 0
            ranged = {"Range": f"bytes={there}-"} if there else {}
            try:
                with self._open(f"/blobs/{digest}", ranged) as answer:
                    _append(answer, target)
            except _Complete:
                return
            except (OSError, HTTPException) as error:
                if attempt == TRIES - 1:
                    message = f"{target.name}: the registry's answer broke off: {error}"
                    raise NotUsable(message) from None
                time.sleep(2**attempt / 4)
                continue
            return

    def _open(self, path: str, headers: Mapping[str, str]) -> HTTPResponse:
        for again in (True, False):
            request = urllib.request.Request(self.base + path, headers=dict(headers))
            if self.authorization is not None:
                request.add_header("Authorization", self.authorization)
            try:
                answer: HTTPResponse = self.opener.open(request, timeout=SECONDS)
            except urllib.error.HTTPError as error:
                if error.code == 401 and again:
                    self.authorization = self._authorize(error.headers)
                    continue
                if error.code == 416:  # nothing is left of the file
                    raise _Complete from None
                if error.code >= 500 or error.code == 429:
                    raise ConnectionError(error.code, error.reason) from None
                message = f"{self.host} answers {error.code} {error.reason} to {path}"
                raise NotUsable(message) from None
            return answer
        raise AssertionError

    def _authorize(self, headers: Message) -> str:
        challenge = headers.get("WWW-Authenticate", "")
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic" and self.login:
            return f"Basic {self.login}"
        if kind.lower() != "bearer":
            message = f"{self.host} asks for a login, and the stack has none for it"
            raise NotUsable(message)
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        query = {key: asked[key] for key in ("service", "scope") if key in asked}
        request = urllib.request.Request(f"{asked['realm']}?{urllib.parse.urlencode(query)}")
        if self.login:
            request.add_header("Authorization", f"Basic {self.login}")
        try:
            with self.opener.open(request, timeout=SECONDS) as answer:
                token: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            message = f"{self.host} refuses the login: {error.code} {error.reason}"
            raise NotUsable(message) from None
        return f"Bearer {token.get('token') or token['access_token']}"


def _append(answer: HTTPResponse, target: Path) -> None:
    """Write what comes. Raises ConnectionError where less comes than was said."""
    left = int(answer.headers.get("Content-Length", 0))
    with target.open("ab" if answer.status == 206 else "wb") as file:
        while chunk := answer.read(CHUNK):
            left -= len(chunk)
            file.write(chunk)
    if left > 0:  # read() does not say so
        message = f"{left} bytes were not sent"
        raise ConnectionError(message)


class _Complete(Exception):
    """The whole file is there already."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to a store of blobs, and takes no login along to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and made.host != req.host:
            made.remove_header("Authorization")
        return made


def _login(keys: Path | None, host: str) -> str | None:
    """Return what kubelet logs in with at a host, as basic authentication has it."""
    if keys is None:
        return None
    entry = json.loads(keys.read_text()).get("auths", {}).get(host, {})
    if entry.get("auth"):
        return str(entry["auth"])
    if entry.get("username"):
        return base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
    return None
