"""Sign-in of a browser: OpenID Connect's authorization code flow with PKCE.

What one attempt knows (state, nonce, verifier, where to go then) lies sealed in a cookie of the
browser that began it, so a stranger's requests leave nothing here.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from cryptography.fernet import Fernet, InvalidToken

from app.access.door import BadToken
from app.access.oidc import OidcVerifier
from app.access.provider import Provider
from app.problems import Problem

ATTEMPT_SECONDS = 600
CALLBACK = "/login/callback"


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What a browser brings back from the provider."""

    state: str
    code: str
    issuer: str | None
    error: str | None


@dataclass(frozen=True)
class SignedIn:
    """Who it is by the provider's word, when the ID token ends (Unix time), and where to go."""

    subject: str
    groups: frozenset[str]
    ends: float
    to: str


class BadReturn(Exception):
    """What was brought back is not of an attempt of this browser."""


class Login:
    """Begins sign-ins and takes what comes back of them."""

    def __init__(
        self,
        *,
        url: str,
        provider: Provider,
        verifier: OidcVerifier,
        seal: Fernet,
        scopes: Sequence[str] = (),
    ) -> None:
        self._redirect = f"{url}{CALLBACK}"
        self._provider = provider
        self._verifier = verifier
        self._seal = seal
        self._scope = " ".join(dict.fromkeys(("openid", *scopes)))

    async def begin(self, to: str) -> tuple[str, str]:
        """Return the provider's address for a browser, and the sealed attempt for its cookie."""
        endpoints = await self._provider.endpoints()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._redirect,
            "scope": self._scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        attempt = {"state": state, "nonce": nonce, "verifier": verifier, "to": to}
        sealed = self._seal.encrypt(orjson.dumps(attempt)).decode().rstrip("=")
        return str(httpx.URL(endpoints.authorization).copy_merge_params(asked)), sealed

    def began(self, returned: Returned, sealed: str | None) -> bool:
        """Tell whether what comes back is of an attempt that began in this browser."""
        attempt = _opened(self._seal, sealed)
        return attempt is not None and _same(attempt["state"], returned.state)

    async def finish(self, returned: Returned, sealed: str | None) -> SignedIn:
        """Exchange what a browser brings back for who it is.

        Raise BadReturn or BadToken for what cannot be right, or a Problem: the provider did not
        sign anybody in (403), is away (503) or does not know this service (502).
        """
        attempt = _opened(self._seal, sealed)
        if attempt is None or not _same(attempt["state"], returned.state):
            raise BadReturn
        endpoints = await self._provider.endpoints()
        # RFC 9207: else an answer of another provider could be brought to this one.
        if returned.issuer is None and endpoints.names_itself:
            raise BadReturn
        if returned.issuer is not None and returned.issuer != self._provider.issuer:
            raise BadReturn
        if returned.error is not None:
            raise Problem(403, "sign-in-refused", "The identity provider did not sign you in")
        tokens = await self._provider.tokens(returned.code, attempt["verifier"], self._redirect)
        claims = await self._claims(tokens.of_identity, attempt["nonce"])
        if self._verifier.lacks(claims):
            claims = await self._completed(claims, tokens.of_access)
        subject, groups = self._verifier.person(claims)
        return SignedIn(subject, groups, float(claims["exp"]), attempt["to"])

    async def way_out(self) -> str | None:
        """Return where the provider ends its own session; None where it says no such place.

        No token of the provider is kept to be shown there, so it may ask whether it is meant.
        """
        try:
            end = (await self._provider.endpoints()).end_session
        except Problem:  # it is away; ours has ended all the same
            return None
        if end is None:
            return None
        return str(httpx.URL(end).copy_merge_params({"client_id": self._provider.client_id}))

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        client = self._provider.client_id
        claims = await self._verifier.claims(token.encode("utf-8", "replace"), [client])
        if not _same(nonce, claims.get("nonce")):
            raise BadToken(guess=True)
        # OpenID Connect Core 1.0, section 3.1.3.7: who it was made for, of several that may read it
        if claims.get("azp", client) != client:
            raise BadToken(guess=True)
        return claims

    async def _completed(self, claims: dict[str, Any], token: str) -> dict[str, Any]:
        """Return claims with what only the user info has; its `sub` must be the token's."""
        more = await self._provider.userinfo(token)
        if more and not _same(claims.get("sub"), more.get("sub")):
            raise BadToken(guess=True)
        return {**more, **claims}


def _opened(seal: Fernet, sealed: str | None) -> dict[str, str] | None:
    if sealed is None:
        return None
    try:
        text = seal.decrypt(sealed + "=" * (-len(sealed) % 4), ttl=ATTEMPT_SECONDS)
    except (InvalidToken, ValueError):
        return None
    attempt: dict[str, str] = orjson.loads(text)
    return attempt


def _same(ours: object, theirs: object) -> bool:
    if not isinstance(ours, str) or not isinstance(theirs, str) or not ours:
        return False
    return hmac.compare_digest(ours.encode("utf-8", "replace"), theirs.encode("utf-8", "replace"))
