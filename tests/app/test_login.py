"""Sign-in, against a provider that answers what a real one never would.

What a real one answers is in tests/integration/test_login.py.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.fernet import Fernet

from app.access.door import BadToken
from app.access.login import BadReturn, Login, Returned, SignedIn
from app.access.oidc import OidcSettings, OidcVerifier
from app.access.provider import Provider
from app.problems import Problem
from tests.app.test_oidc import ISSUER, RSA, public

URL, CLIENT = "https://rag.example.org", "rag/1"


@dataclass
class Odd:
    """A provider at the other end of a transport; what it says can be changed."""

    discovery: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    refuses: httpx.Response | None = None
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path.endswith("openid-configuration"):
            found = {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/auth?kc=1",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/me",
            }
            return httpx.Response(200, json=found | self.discovery)
        if request.url.path == "/me":
            return httpx.Response(200, json=self.userinfo)
        if self.refuses is not None:
            return self.refuses
        now = int(time.time())
        said = {"iss": ISSUER, "aud": CLIENT, "sub": "alice", "iat": now, "exp": now + 60}
        given = {name: v for name, v in (said | self.claims).items() if v is not None}
        token = jwt.encode(given, RSA, "RS256", headers={"kid": "one"})
        return httpx.Response(200, json={"id_token": token, "access_token": "of-access"})

    @property
    def form(self) -> dict[str, str]:
        (request,) = [each for each in self.asked if each.url.path == "/token"]
        return {name: v[0] for name, v in parse_qs(request.content.decode()).items()}


@pytest.fixture
def odd() -> Odd:
    return Odd()


@pytest.fixture
def login(odd: Odd, tmp_path: Path) -> Login:
    return login_at(odd, tmp_path)


def login_at(odd: Odd, folder: Path, secret: str | None = None) -> Login:
    keys = folder / "keys.json"
    keys.write_text(json.dumps({"keys": [public(RSA, "one")]}))
    file = None
    if secret is not None:
        file = folder / "secret"
        file.write_text(secret)
    transport = httpx.MockTransport(odd)
    return Login(
        url=URL,
        provider=Provider(ISSUER, CLIENT, file, transport=transport),
        verifier=OidcVerifier(OidcSettings(issuer=ISSUER, audience=["other"], keys_file=keys)),
        seal=Fernet(Fernet.generate_key()),
    )


def gone_through(login: Login, odd: Odd, **changes: Any) -> SignedIn:
    """Sign in; `changes` are to what the browser brings back, `sealed` among them."""

    async def journey() -> SignedIn:
        address, sealed = await login.begin("/docs")
        asked = {name: v[0] for name, v in parse_qs(urlsplit(address).query).items()}
        assert asked["kc"] == "1"
        odd.claims = {"nonce": asked["nonce"]} | odd.claims
        returned = {"state": asked["state"], "code": "c", "issuer": None, "error": None} | changes
        sealed = returned.pop("sealed", sealed)
        return await login.finish(Returned(**returned), sealed)

    return asyncio.run(journey())


def test_who_signs_in_is_named_by_the_token(login: Login, odd: Odd) -> None:
    odd.claims = {"groups": ["hr"], "exp": (ends := int(time.time()) + 99)}

    found = gone_through(login, odd)

    assert found == SignedIn("alice", frozenset({"hr"}), ends, "/docs")
    assert odd.form["redirect_uri"] == f"{URL}/login/callback"
    assert not [each for each in odd.asked if each.url.path == "/me"]


def test_what_the_token_lacks_is_of_the_user_info(login: Login, odd: Odd) -> None:
    odd.userinfo = {"sub": "alice", "groups": ["hr"], "exp": 0}

    assert gone_through(login, odd).groups == {"hr"}
    assert odd.asked[-1].headers["authorization"] == "Bearer of-access"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of-another"},
        {"nonce": None},
        {"aud": "other"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://evil.example.org"},
        {"exp": 1},
        {"sub": None},
    ],
)
def test_a_token_that_is_not_of_this_attempt_signs_nobody_in(
    login: Login, odd: Odd, claims: dict[str, Any]
) -> None:
    odd.claims = {"groups": [], **claims}

    with pytest.raises(BadToken):
        gone_through(login, odd)


def test_the_user_info_of_somebody_else_signs_nobody_in(login: Login, odd: Odd) -> None:
    odd.userinfo = {"sub": "root", "groups": ["ops"]}

    with pytest.raises(BadToken):
        gone_through(login, odd)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": ""},
        {"state": "x"},
        {"issuer": "https://evil.example.org"},
        {"sealed": None},
        {"sealed": ""},
        {"sealed": "gAAAAAB"},
        {"sealed": "ä" * 40},
        {"sealed": Fernet(Fernet.generate_key()).encrypt(b'{"state": "x"}').decode()},
    ],
)
def test_what_is_of_no_attempt_is_not_even_asked_about(
    login: Login, odd: Odd, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadReturn):
        gone_through(login, odd, **changes)

    assert not [each for each in odd.asked if each.url.path == "/token"]


def test_an_attempt_ends_after_ten_minutes(
    login: Login, odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.access.login.ATTEMPT_SECONDS", -1)

    with pytest.raises(BadReturn):
        gone_through(login, odd)


def test_a_provider_that_names_itself_must(login: Login, odd: Odd) -> None:
    odd.discovery = {"authorization_response_iss_parameter_supported": True}

    with pytest.raises(BadReturn):
        gone_through(login, odd)
    odd.claims = {"groups": []}
    assert gone_through(login, odd, issuer=ISSUER).subject == "alice"


@pytest.mark.parametrize(
    ("ways", "in_form"),
    [(None, False), (7, False), (["client_secret_post"], True)],
    ids=["basic", "nonsense", "post"],
)
def test_a_secret_goes_the_way_that_the_provider_takes(
    odd: Odd, tmp_path: Path, ways: object, in_form: bool
) -> None:
    odd.discovery = {} if ways is None else {"token_endpoint_auth_methods_supported": ways}
    odd.claims = {"groups": []}

    gone_through(login_at(odd, tmp_path, "s:/cret"), odd)

    (asked,) = [each for each in odd.asked if each.url.path == "/token"]
    basic = base64.b64encode(b"rag%2F1:s%3A%2Fcret").decode()
    assert asked.headers.get("authorization") == (None if in_form else f"Basic {basic}")
    assert odd.form.get("client_secret") == ("s:/cret" if in_form else None)


def test_a_public_client_shows_its_verifier_alone(login: Login, odd: Odd) -> None:
    odd.claims = {"groups": []}

    gone_through(login, odd)

    assert odd.form["client_id"] == CLIENT
    assert len(odd.form["code_verifier"]) == 43
    assert "client_secret" not in odd.form


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (httpx.Response(401, json={"error": "invalid_client", "error_description": "X"}), 502),
        (httpx.Response(400, json={"error": ["invalid_grant"]}), 502),
        (httpx.Response(200, json={"id_token": 7}), 502),
        (httpx.Response(200, json=[]), 502),
        (httpx.Response(200, text="<html>"), 503),
        (httpx.Response(200, text="[" * 9000), 503),
        (httpx.Response(200, content=b" " * (2**20 + 1)), 503),
        (httpx.Response(500, json={}), 503),
    ],
)
def test_a_provider_that_cannot_be_used_is_told_apart_from_a_guess(
    login: Login, odd: Odd, answer: httpx.Response, status: int
) -> None:
    odd.refuses = answer

    with pytest.raises(Problem) as refused:
        gone_through(login, odd)

    assert refused.value.status_code == status


def test_an_answer_that_does_not_end_is_not_waited_for(
    login: Login, odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    monkeypatch.setattr("app.access.discovery.ANSWER_SECONDS", 0.1)
    odd.refuses = httpx.Response(200, content=dripping())

    with pytest.raises(Problem) as refused:
        gone_through(login, odd)

    assert refused.value.status_code == 503


def test_a_code_that_is_used_is_a_guess(login: Login, odd: Odd) -> None:
    odd.refuses = httpx.Response(400, json={"error": "invalid_grant"})

    with pytest.raises(BadToken):
        gone_through(login, odd)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example.org"},
        {"token_endpoint": "http://login.example.org/token"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "https://login.example.org/\n"},
        {"token_endpoint": "https://"},
        {"userinfo_endpoint": "//login.example.org/me"},
        {"userinfo_endpoint": "https://login.example.org:99999/me"},
        {"end_session_endpoint": 7},
    ],
)
def test_a_discovery_that_cannot_be_trusted_is_not_used(
    login: Login, odd: Odd, discovery: dict[str, Any]
) -> None:
    odd.discovery = discovery

    with pytest.raises(Problem) as refused:
        gone_through(login, odd)

    assert refused.value.status_code == 503


@pytest.mark.parametrize(
    ("discovery", "where"),
    [
        ({}, None),
        ({"end_session_endpoint": f"{ISSUER}/end"}, f"{ISSUER}/end?client_id=rag%2F1"),
        ({"issuer": "away"}, None),
    ],
)
def test_the_way_out_is_the_providers_where_it_has_one(
    login: Login, odd: Odd, discovery: dict[str, Any], where: str | None
) -> None:
    odd.discovery = discovery

    assert asyncio.run(login.way_out()) == where
