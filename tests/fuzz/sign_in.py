"""Sign-in's parsers: what browsers bring, and what the identity provider answers.

Each input goes the whole way, through the guard and the routes, and its line to the audit log.
"""

import asyncio
import functools
import itertools
import json
import logging
import re
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from starlette.types import Message

from app import problems
from app.access.audit import Audit
from app.access.browser import Browser
from app.access.door import Door
from app.access.key_set import KeySet, KeysUnavailable
from app.access.login import CALLBACK, Login
from app.access.oidc import OidcSettings, OidcVerifier
from app.access.provider import Provider
from app.access.session_store import SessionStore
from app.guard import Guard, Limits
from app.metrics import Metrics
from app.routes.login import login_router
from tests.app.asgi import Heard, scope
from tests.fuzz.parser import Parser, from_bytes, from_json

ISSUER, URL, CLIENT = "https://id.example", "http://127.0.0.1:1416", "rag"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
JWK = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(PRIVATE.public_key()))
KEYS = {"keys": [{**JWK, "kid": "1", "use": "sig", "alg": "EdDSA"}]}
# of the attempt or session that runs when an input has its turn
STATE, SEALED, SESSION, NONCE = b"@state@", b"@sealed@", b"@session@", b"@nonce@"
BACK, JAR = b"code=c&state=" + STATE, b"stackyard-login=" + SEALED
DISCOVERY = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "userinfo_endpoint": f"{ISSUER}/me",
    "end_session_endpoint": f"{ISSUER}/end",
    "jwks_uri": f"{ISSUER}/keys",
    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
}
CLAIMS = {"iss": ISSUER, "aud": CLIENT, "sub": "ann", "exp": 2**33, "nonce": NONCE.decode()}
FULL = {**CLAIMS, "groups": ["hr"], "iat": 1, "nbf": 1, "azp": CLIENT}
TOKENS = {"id_token": "@token@", "access_token": "of-access", "token_type": "Bearer"}
USER = {"sub": "ann", "groups": ["hr", "ops"]}
WORDS = (
    *DISCOVERY, *FULL, *TOKENS, *KEYS["keys"][0], ISSUER, CLIENT, "ann", "hr", "RS256", "oct",
    "https://id.example/x?y=z#f", "https://", "https://[", "https://id.example:99999999", "http:a",
    "https://id.example/\n", "https://a b/", "javascript:alert(1)", "https://\u0130.example", "*",
    "https://u:p@id.example", "https://xn--/", "https://id.example/%zz", "//", "error",
)  # fmt: skip
LIMITS = Limits(
    body_bytes=2**16, upload_bytes=2**16, concurrency=8, request_seconds=30, upload_seconds=30
)


class Refused(Exception):
    """The service said no, in a way that it describes."""


class Unhandled(logging.Handler):
    """Keeps the error that the guard turned into a 500."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.error = sys.exc_info()[1]


class Desk:
    """The routes of sign-in, and the provider behind them."""

    def __init__(self, folder: Path) -> None:
        keys = folder / "sign-in-keys"
        keys.write_text(json.dumps(KEYS))
        settings = OidcSettings(
            issuer=ISSUER,
            audience=["stackyard", CLIENT],
            keys_file=keys,
            roles={"reader": ["*"], "admin": ["ops"]},
        )
        self._verifier = OidcVerifier(settings)
        self._store = SessionStore(folder / "sessions.sqlite3")
        self._browser = Browser(URL, self._store, settings.roles)
        self._audit = Audit(folder / "head", write=lambda _line: None)
        self._unhandled = Unhandled()
        logging.getLogger("app").addHandler(self._unhandled)
        self._addresses = itertools.count()
        self._said: dict[str, bytes] = {}
        self._claims = b""
        self._login = Login(
            url=URL, provider=self._provider(), verifier=self._verifier, seal=self._store.seal
        )
        door = Door(ring=None, verifier=self._verifier, browsers=self._browser)
        app = FastAPI(openapi_url=None)
        problems.install(app)
        app.include_router(login_router(self._login, self._browser, door))
        self._guard = Guard(app, door=door, limits=LIMITS, metrics=Metrics(), audit=self._audit)

    def begin(self, claims: bytes = b"{}", **said: bytes) -> None:
        """Know nothing of the provider, which says this from now on, and signs these claims."""
        well = {"discovery": DISCOVERY, "token": TOKENS, "me": USER}
        self._said = {name: json.dumps(each).encode() for name, each in well.items()} | said
        self._claims = claims
        self._login._provider = self._provider()

    def _provider(self) -> Provider:
        return Provider(ISSUER, CLIENT, transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        body = self._said.get("discovery" if "configuration" in name else name, b"{}")
        return httpx.Response(200, content=body.replace(b"@token@", signed(self._claims)))

    async def call(self, method: str, path: str, *headers: tuple[bytes, bytes],
                   query: bytes = b"") -> Heard:  # fmt: skip
        """Return what is answered; raise Refused, or what the service fell over."""
        heard, self._unhandled.error = Heard(), None
        asked = {**scope(method, path), "query_string": query, "headers": list(headers)}
        # each from elsewhere: who guesses often is not listened to
        asked["client"] = (f"address-{next(self._addresses)}", 1)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            heard.messages.append(message)

        await self._guard(asked, receive, send)
        if self._unhandled.error is not None:
            raise self._unhandled.error
        if heard.status >= 400 and heard.status != 404:
            assert heard.status in (400, 401, 403, 422, 502, 503), heard.body
            raise Refused
        return heard

    async def attempt(self) -> dict[bytes, bytes]:
        """Begin to sign in; return what of it a browser holds, by its mark."""
        begun = await self.call("GET", "/login")
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        state, nonce = (asked[name][-1].encode() for name in ("state", "nonce"))
        self._claims = self._claims.replace(NONCE, nonce)
        return {STATE: state, SEALED: _cookie(begun, self._browser.login_cookie)}

    async def brought_back(self, data: bytes) -> Heard:
        """Come back with a query and a line of cookies; the marks stand for an attempt's own."""
        for mark, value in (await self.attempt()).items():
            data = data.replace(mark, value)
        query, _, jar = data.partition(b"\n")
        return await self.call("GET", CALLBACK, (b"cookie", jar), query=query)

    async def signed_in(self) -> Heard:
        """Sign in, be asked who it is, and sign out."""
        welcome = await self.brought_back(BACK + b"\n" + JAR)
        session = _cookie(welcome, self._browser.session_cookie)
        kept = (b"cookie", b"stackyard-session=" + session)
        await self.call("GET", "/v1/models", kept)
        return await self.call("POST", "/logout", kept, (b"origin", URL.encode()))

    def session(self) -> bytes:
        """Return the cookie of somebody who is signed in."""
        now = time.time()
        return self._store.begin("ann", frozenset({"hr"}), now=now, ends=now + 60)[1].encode()


def signed(claims: bytes) -> bytes:
    """Return a token whose signature is right, whatever it says."""
    return jwt.PyJWS().encode(claims, PRIVATE, "EdDSA", {"kid": "1"}).encode()


def _cookie(heard: Heard, name: str) -> bytes:
    for key, value in heard.messages[0]["headers"]:
        found = re.match(rf"{name}=([^;]+)".encode(), value) if key == b"set-cookie" else None
        if found:
            return found[1]
    raise Refused


def sign_in_parsers(folder: Path) -> list[Parser]:
    """Return the parsers behind sign-in; each process has a desk of its own."""

    full, short = (json.dumps(each).encode() for each in (FULL, CLAIMS))

    @functools.cache
    def desk() -> Desk:
        return Desk(folder)

    def signed_in(claims: bytes, **said: bytes) -> object:
        desk().begin(claims, **said)
        return asyncio.run(desk().signed_in())

    def shown(data: bytes) -> object:
        """Show the claims as a bearer token; behind the door is nothing here but 404."""
        desk().begin()
        bearer = (b"authorization", b"Bearer " + signed(data))
        return asyncio.run(desk().call("GET", "/v1/models", bearer))

    def begun(data: bytes) -> object:
        desk().begin()
        return asyncio.run(desk().call("GET", "/login", query=data))

    def brought_back(data: bytes) -> object:
        desk().begin(full)
        return asyncio.run(desk().brought_back(data))

    def remembered(data: bytes) -> object:
        desk().begin()
        jar, _, origin = data.replace(SESSION, desk().session()).partition(b"\n")
        return asyncio.run(desk().call("POST", "/logout", (b"cookie", jar), (b"origin", origin)))

    def keys(data: bytes) -> object:
        file = folder / "provider-keys"
        file.write_bytes(data)
        return asyncio.run(KeySet(ISSUER, file).key("1"))

    others = b"; ".join(b"other-%d=of-another-service" % number for number in range(20))
    callbacks = [
        BACK + b"\n" + JAR,
        BACK + b"&iss=" + ISSUER.encode() + b"\n" + others + b"; " + JAR + b"; a=b",
        b"error=access_denied&error_description=no&state=" + STATE + b"\n" + JAR,
    ]
    session = b"stackyard-session=" + SESSION
    sessions = [others + b"; " + session + b"\n" + URL.encode(), session + b"; a=b\nnull"]
    pages = [b"to=/v1/me", b"to=%2Fv1%2Fmodels%3Fx%3D1&a=b", b"to=//evil.example/", b""]
    no = (Refused,)
    return [
        Parser("login", from_bytes(pages), begun, no),
        Parser("login-callback", from_bytes(callbacks), brought_back, no),
        Parser("login-session", from_bytes(sessions), remembered, no),
        Parser("login-discovery", from_json(WORDS, DISCOVERY),
               lambda data: signed_in(full, discovery=data), no),
        Parser("login-tokens", from_json(WORDS, TOKENS, {"error": "invalid_grant"}),
               lambda data: signed_in(full, token=data), no),
        # asked for what a token lacks
        Parser("login-user", from_json(WORDS, USER), lambda data: signed_in(short, me=data), no),
        Parser("login-claims", from_json(WORDS, FULL, CLAIMS), signed_in, no),
        Parser("token-claims", from_json(WORDS, FULL), shown, no),
        Parser("provider-keys", from_json(WORDS, KEYS), keys, (KeysUnavailable,)),
    ]  # fmt: skip
