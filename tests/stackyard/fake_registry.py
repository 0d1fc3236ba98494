"""A stand-in for a registry: the manifests of the distribution API behind token authentication.

It speaks what distribution/distribution's specification says of /v2/ and of tokens, no more.
"""

import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

DIGEST = "sha256:" + 64 * "a"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class FakeRegistry:
    """The registry and its token server; `images` are path:tag, `users` name to password."""

    def __init__(self) -> None:
        self.images: set[str] = set()
        self.users: dict[str, str] = {}
        self.anonymous = False
        self.token_status: int | None = None  # what the token server answers in place of a token
        self.pull_status: int | None = None  # what a manifest answers in place of itself
        self.requests: list[tuple[str, str]] = []
        handler = type("Bound", (Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers manifests to whoever shows a token for them."""

    fake: ClassVar[FakeRegistry]

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the tests read `requests`."""

    def do_GET(self) -> None:
        fake, url = self.fake, urlsplit(self.path)
        fake.requests.append(("GET", self.path))
        if url.path != "/token":
            return self._answer(404)
        if fake.token_status is not None:
            return self._answer(fake.token_status)
        scope = parse_qs(url.query)["scope"][0]
        if not (fake.anonymous or self._known()):
            return self._answer(401)
        return self._answer(200, body=f'{{"token": "for-{scope}"}}')

    def do_HEAD(self) -> None:
        fake, path = self.fake, urlsplit(self.path).path
        fake.requests.append(("HEAD", self.path))
        name, _, tag = path.removeprefix("/v2/").partition("/manifests/")
        scope = f"repository:{name}:pull"
        if self.headers.get("Authorization") != f"Bearer for-{scope}":
            realm = f'Bearer realm="http://{fake.host}/token",service="{fake.host}",scope="{scope}"'
            return self._answer(401, {"WWW-Authenticate": realm})
        if fake.pull_status is not None:
            return self._answer(fake.pull_status)
        if f"{name}:{tag}" not in fake.images or MANIFEST not in self.headers.get("Accept", ""):
            return self._answer(404)
        return self._answer(200, {"Docker-Content-Digest": DIGEST})

    def _known(self) -> bool:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return False
        user, _, password = b64decode(given).decode().partition(":")
        return self.fake.users.get(user) == password

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: str = "") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
