"""Doubles in front of a real registry: a token server, and a proxy that refuses or stumbles.

The token server speaks what distribution's token specification says; the proxy answers with the
codes and bodies of the specification's errors, and with Harbor's 412 for images without signature.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.stackyard.bundle.real_registry import PASSWORD, USER, RealRegistry, make_certificate

Answer = tuple[int, bytes]
Rule = Callable[[str, str], Answer | None]  # method and path -> what is answered in its place


class _Server:
    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

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


class TokenDouble(_Server):
    """Gives tokens to one user; `config` is what the registry trusts it by."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        make_certificate(folder)
        key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signer: ec.EllipticCurvePrivateKey = key
        certificate = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
        chain = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        double = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                if self.headers.get("Authorization") != f"Basic {wanted}":
                    self.send_response(401)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                asked = parse_qs(urlsplit(self.path).query)
                body = json.dumps({"token": double.token(signer, chain, asked.get("scope", []))})
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

        super().__init__(Handler)
        self.config = {
            "realm": f"http://{self.address}/token",
            "service": "site",
            "issuer": "double",
            "rootcertbundle": str(folder / "ca.crt"),
        }

    def token(self, key: ec.EllipticCurvePrivateKey, chain: str, scopes: list[str]) -> str:
        now = int(time.time())
        access = []
        for scope in (part for each in scopes for part in each.split()):
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        head = {"typ": "JWT", "alg": "ES256", "x5c": [chain]}
        told: dict[str, Any] = {
            "iss": "double",
            "sub": USER,
            "aud": "site",
            "jti": str(now),
            "access": access,
        }
        told |= {"iat": now - 60, "nbf": now - 60, "exp": now + 600}
        text = f"{_coded(json.dumps(head).encode())}.{_coded(json.dumps(told).encode())}"
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_coded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class ProxyDouble(_Server):
    """Carries requests to a registry without TLS, but for those that a rule answers."""

    def __init__(self, registry: str, rule: Rule) -> None:
        self.requests: list[tuple[str, str]] = []
        super().__init__(type("Bound", (_Carrier,), {"double": self, "to": registry}))
        self.rule = rule


class _Carrier(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: ClassVar[ProxyDouble]
    to: ClassVar[str]

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the tests read `requests`."""

    def _carry(self) -> None:
        body = self._body()
        self.double.requests.append((self.command, self.path))
        answered = self.double.rule(self.command, self.path)
        if answered is not None:
            status, content = answered
            return self._answer(status, [("Content-Type", "application/json")], content)
        connection = HTTPConnection(self.to, timeout=30)
        left_out = ("host", "transfer-encoding", "content-length", "connection")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in left_out}
        headers["Host"] = self.double.address
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in ("connection",)]
        connection.close()
        return self._answer(answer.status, kept, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _carry

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        named = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "date", "server"):
                self.send_header(name, value)
        if "content-length" not in named:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def error_body(code: str, message: str) -> bytes:
    """Return an error as the distribution specification writes it."""
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


MANIFEST = re.compile(r"/v2/(.+)/manifests/(.+)")


def content_trust(site: RealRegistry) -> Rule:
    """Return what Harbor adds to a registry where a project shows images signed by cosign only.

    By src/server/middleware/contenttrust of its source: 412 for each manifest, read by tag or by
    digest, that has no signature of its own; the signatures themselves are shown.
    """

    def rule(method: str, path: str) -> Answer | None:
        found = MANIFEST.fullmatch(path)
        if method not in ("GET", "HEAD") or found is None:
            return None
        repository, name = found.groups()
        links = site.content()
        tags = f"{repository}/_manifests/tags"
        digest = links.get(f"{tags}/{name}/current/link", name)
        there = f"{repository}/_manifests/revisions/{digest.replace(':', '/')}/link" in links
        signed = f"{tags}/{digest.replace(':', '-')}.sig/current/link" in links
        signatures = {
            link
            for place, link in links.items()
            if place.startswith(tags) and place.endswith(".sig/current/link")
        }
        if not there or signed or digest in signatures:
            return None
        return 412, error_body("PROJECTPOLICYVIOLATION", "The image is not signed by cosign.")

    return rule
