"""Who is heard while somebody else guesses behind the same address."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.access.browser import Browser
from app.access.door import BadToken, Door
from app.access.identity import Identity
from app.access.login import Login
from app.access.oidc import OidcSettings, OidcVerifier
from app.access.provider import Provider
from app.access.session_store import SessionStore
from app.guard import Guard, Limits
from app.metrics import Metrics
from app.problems import Problem, install
from app.routes.login import login_router
from tests.app.test_login import CLIENT, URL, Odd
from tests.app.test_oidc import ISSUER

ADDRESS = "192.0.2.1"


class Verifier:
    """Believes one token, which it has never seen before."""

    def remembered(self, _token: bytes, _now: float) -> Identity | None:
        return None

    async def verify(self, token: bytes, _now: float) -> Identity:
        if token != b"a.right.token":
            raise BadToken(guess=True)
        return Identity(subject="alice", role="reader", via="oidc", credential="token of alice")


def guessed(door: Door, shown: bytes) -> int:
    async def ask() -> int:
        try:
            await door.identify({b"authorization": b"Bearer " + shown}, ADDRESS, "GET")
        except Problem as problem:
            return problem.status_code
        return 200

    return asyncio.run(ask())


@pytest.mark.parametrize("wrong", [b"wrong-key", b"a.wrong.token"])
def test_a_right_token_is_heard_beside_who_guesses(wrong: bytes) -> None:
    door = Door(ring=None, verifier=Verifier())

    statuses = [guessed(door, wrong) for _ in range(31)]

    assert statuses == [401] * 30 + [429]
    assert guessed(door, b"a.right.token") == 200
    assert guessed(door, wrong) == 429


def test_who_began_a_sign_in_here_may_end_it_beside_who_guesses(tmp_path: Path) -> None:
    odd, keys = Odd(), tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    store = SessionStore(tmp_path / "sessions.sqlite3")
    browser = Browser(URL, store, {"reader": ["*"]})
    door = Door(ring=None, browsers=browser)
    login = Login(
        url=URL,
        provider=Provider(ISSUER, CLIENT, transport=httpx.MockTransport(odd)),
        verifier=OidcVerifier(OidcSettings(issuer=ISSUER, audience=["a"], keys_file=keys)),
        seal=store.seal,
    )
    app = FastAPI()
    install(app)
    app.include_router(login_router(login, browser, door))
    limits = Limits(
        body_bytes=9, upload_bytes=9, concurrency=4, request_seconds=9, upload_seconds=9
    )
    guard = Guard(app, door=door, limits=limits, metrics=Metrics())

    async def visit() -> tuple[int, int]:
        transport = httpx.ASGITransport(guard, client=(ADDRESS, 1))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as alice:
            begun = await alice.get("/login")
            state = httpx.URL(begun.headers["location"]).params["state"]
            for _ in range(30):
                door.guessed(ADDRESS)
            wrong = await alice.get("/login/callback", params={"state": "x", "code": "c"})
            # the provider says no, and so it was asked
            denied = {"state": state, "error": "access_denied"}
            right = await alice.get("/login/callback", params=denied)
            return wrong.status_code, right.status_code

    assert asyncio.run(visit()) == (429, 403)
    store.close()
