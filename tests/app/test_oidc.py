"""Tokens of a provider: what is believed, what is not, and what a change of keys does."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from app.access.door import BadToken
from app.access.identity import Identity
from app.access.oidc import OidcSettings, OidcVerifier
from app.problems import Problem

ISSUER, AUDIENCE = "https://login.example.org", "stackyard"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    text = (
        RSAAlgorithm.to_jwk(key.public_key())
        if isinstance(key, rsa.RSAPrivateKey)
        else ECAlgorithm.to_jwk(key.public_key())
    )
    return {**json.loads(text), "kid": kid, "use": "sig"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [public(RSA, "one"), public(CURVE, "curve")]}))
    return path


@pytest.fixture
def verifier(keys: Path) -> OidcVerifier:
    return OidcVerifier(
        OidcSettings(
            issuer=ISSUER,
            audience=[AUDIENCE],
            keys_file=keys,
            roles={"admin": ["ops"], "contributor": ["writers"], "reader": ["*"]},
            skew_seconds=30,
        )
    )


def token(key: Any = RSA, kid: str | None = "one", algorithm: str = "RS256", **more: Any) -> bytes:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 60, **more}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else {}).encode()


def seen(verifier: OidcVerifier, shown: bytes) -> Identity:
    return asyncio.run(verifier.verify(shown, time.time()))


def test_a_real_token_says_who_it_is(verifier: OidcVerifier) -> None:
    identity = seen(verifier, token(groups=["hr", "writers"]))

    assert (identity.subject, identity.role, identity.via) == ("alice", "contributor", "oidc")
    assert identity.principals == ("everyone", "group:hr", "group:writers", "user:alice")


@pytest.mark.parametrize(
    ("groups", "role"),
    [(None, "reader"), ([], "reader"), (["writers", "ops"], "admin"), ("ops", "reader"),
     ([7, {"ops": 1}, "writers", "o\ud800s"], "contributor")],
)  # fmt: skip
def test_groups_become_the_highest_role(verifier: OidcVerifier, groups: Any, role: str) -> None:
    assert seen(verifier, token(groups=groups)).role == role


def test_a_key_of_a_curve_works_too(verifier: OidcVerifier) -> None:
    assert seen(verifier, token(CURVE, "curve", "ES256")).subject == "alice"


def hmac_with_the_public_key() -> bytes:
    """The old trick: the public key taken for a shared secret."""
    head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    body = token().split(b".")[1]
    secret = json.dumps(public(RSA, "one")).encode()
    signed = HMACAlgorithm(HMACAlgorithm.SHA256).sign(head + b"." + body, secret)
    return b".".join((head, body, jwt.utils.base64url_encode(signed)))


def unsigned() -> bytes:
    return jwt.encode({"sub": "admin", "iss": ISSUER, "aud": AUDIENCE}, "", "none").encode()


@pytest.mark.parametrize(
    ("make", "guess"),
    [
        (lambda: token(OTHER), True),
        (lambda: token(kid="no-such"), True),
        (lambda: token(kid=None), True),
        (lambda: token(CURVE, "one", "ES256"), True),
        (hmac_with_the_public_key, True),
        (unsigned, True),
        (lambda: token()[:-4] + b"AAAA", True),
        (lambda: b"a.b.c", True),
        (lambda: b"\xff.\xfe.\xfd", True),
        (lambda: b"x." + b"A" * 20_000 + b".y", True),
        (lambda: token(exp=int(time.time()) - 31), False),
        (lambda: token(nbf=int(time.time()) + 60), False),
        (lambda: token(iss="https://evil.example.org"), False),
        (lambda: token(aud="another-service"), False),
        (lambda: token(aud=None), False),
        (lambda: token(exp=None), False),
        (lambda: token(sub=None), False),
        (lambda: token(sub=""), False),
        (lambda: token(sub="al\ud800ice"), False),  # no log and no journal could hold it
        (lambda: token(exp=10**400), True),
    ],
)
def test_anything_else_opens_nothing(
    verifier: OidcVerifier, make: Callable[[], bytes], guess: bool
) -> None:
    shown = make()

    with pytest.raises(BadToken) as refused:
        seen(verifier, shown)

    assert refused.value.guess is guess
    assert verifier.remembered(shown, time.time()) is None


def test_clocks_may_differ_a_little(verifier: OidcVerifier) -> None:
    assert seen(verifier, token(exp=int(time.time()) - 20)).subject == "alice"
    assert seen(verifier, token(nbf=int(time.time()) + 20)).subject == "alice"


def test_a_token_is_remembered_until_it_ends(verifier: OidcVerifier) -> None:
    shown = token(exp=int(time.time()) + 10)
    identity = seen(verifier, shown)

    assert verifier.remembered(shown, time.time()) is identity
    assert verifier.remembered(shown, time.time() + 41) is None
    assert verifier.remembered(token(exp=99), time.time()) is None


def test_who_is_in_no_group_with_a_role_is_told_so(keys: Path) -> None:
    settings = OidcSettings(
        issuer=ISSUER, audience=[AUDIENCE], keys_file=keys, roles={"reader": ["staff"]}
    )

    with pytest.raises(Problem) as refused:
        seen(OidcVerifier(settings), token(groups=["guests"]))

    assert refused.value.status_code == 403


def test_keys_rotate_and_tokens_of_the_old_ones_end(
    verifier: OidcVerifier, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def journey() -> None:
        old, new = token(), token(OTHER, "two")
        await verifier.verify(old, time.time())
        keys.write_text(json.dumps({"keys": [public(OTHER, "two")]}))
        with pytest.raises(BadToken):
            await verifier.verify(new, time.time())  # looked a moment ago
        monkeypatch.setattr("app.access.key_set.AGAIN_SECONDS", 0.0)
        assert (await verifier.verify(new, time.time())).subject == "alice"
        assert verifier.remembered(old, time.time()) is None
        with pytest.raises(BadToken):
            await verifier.verify(old, time.time())

    asyncio.run(journey())


def test_the_last_keys_hold_while_there_are_none(
    verifier: OidcVerifier, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def journey() -> None:
        await verifier.verify(token(), time.time())
        keys.unlink()
        monkeypatch.setattr("app.access.key_set.FRESH_SECONDS", 0.0)
        assert (await verifier.verify(token(), time.time())).subject == "alice"

    asyncio.run(journey())


@pytest.mark.parametrize("kept", [None, "[]", '"keys"', '{"keys": [7]}', "[" * 9000])
def test_without_any_key_nobody_is_let_in_and_it_says_why(tmp_path: Path, kept: str | None) -> None:
    if kept is not None:
        (tmp_path / "none").write_text(kept)
    settings = OidcSettings(issuer=ISSUER, audience=[AUDIENCE], keys_file=tmp_path / "none")

    with pytest.raises(Problem) as refused:
        seen(OidcVerifier(settings), token())

    assert refused.value.status_code == 503
    assert os.fspath(tmp_path) not in str(refused.value.document())
