"""What a browser's sign-in asks of the identity provider: its addresses, a code's tokens, a user.

OpenID Connect Core 1.0, sections 3.1.3 and 5.3. Nothing of the provider's answers is kept.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx

from app.access.discovery import AGAIN_SECONDS, FRESH_SECONDS, TIMEOUT, asked, discovered, named
from app.access.door import BadToken
from app.access.oidc import unavailable
from app.problems import Problem
from app.secrets import read_secret

log = logging.getLogger("app.access")
AWAY = "The identity provider did not answer"
# of RFC 6749, section 5.2: what is logged is one of these, and never a text of the provider's
ERRORS = {
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
    "unsupported_grant_type", "invalid_scope",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where a provider takes what, as its discovery says."""

    authorization: str
    token: str
    userinfo: str | None
    end_session: str | None
    takes_basic: bool  # a secret in a header; else in the form
    names_itself: bool  # in its answers to a browser: RFC 9207


@dataclass(frozen=True)
class Tokens:
    """What a code was worth."""

    of_identity: str
    of_access: str


class Provider:
    """Belongs to one event loop; without a secret the client is a public one, with PKCE alone."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        secret_file: Path | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._secret_file = secret_file
        self._transport = transport
        self._endpoints: Endpoints | None = None
        self._looked = self._found = float("-inf")
        self._lock = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """Return the provider's addresses; raise a Problem, 503, where they are not known."""
        async with self._lock:
            now = time.monotonic()
            if now - self._found > FRESH_SECONDS and now - self._looked > AGAIN_SECONDS:
                self._looked = now
                try:
                    async with self._client() as client:
                        found = await discovered(client, self.issuer)
                    self._endpoints = _endpoints(found, self.issuer)
                    self._found = now
                except (httpx.HTTPError, ValueError) as error:
                    log.warning("no discovery", extra={"error": type(error).__name__})
        if self._endpoints is None:
            raise unavailable(AWAY)
        return self._endpoints

    async def tokens(self, code: str, verifier: str, redirect: str) -> Tokens:
        """Return what a code is worth; raise BadToken for one that is worth nothing, or a Problem.

        The secret's file is read each time, so a rotated one is used by the next sign-in.
        """
        endpoints = await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        secret = read_secret(self._secret_file)
        basic = None
        if secret is not None and endpoints.takes_basic:
            basic = httpx.BasicAuth(quote_plus(self.client_id), quote_plus(secret))
        else:
            form["client_id"] = self.client_id
            if secret is not None:
                form["client_secret"] = secret
        status, said = await self._asked("POST", endpoints.token, data=form, auth=basic)
        if status != 200:
            error = said.get("error")
            if error == "invalid_grant":
                raise BadToken(guess=True)
            log.warning(
                "the provider refuses this client",
                extra={"status": status, "error": error if str(error) in ERRORS else None},
            )
            raise _unusable()
        of_identity, of_access = said.get("id_token"), said.get("access_token")
        if not isinstance(of_identity, str) or not isinstance(of_access, str):
            raise _unusable()
        return Tokens(of_identity, of_access)

    async def userinfo(self, token: str) -> dict[str, Any]:
        """Return what the provider says of a user besides the token; nothing where it does not."""
        endpoints = await self.endpoints()
        if endpoints.userinfo is None:
            return {}
        bearer = {"Authorization": f"Bearer {token}"}
        status, said = await self._asked("GET", endpoints.userinfo, headers=bearer)
        if status != 200:
            log.warning("no user info", extra={"status": status})
            raise _unusable()
        return said

    async def _asked(self, method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        try:
            async with self._client() as client:
                status, said = await asked(client, method, url, **given)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("no answer of the provider", extra={"error": type(error).__name__})
            raise unavailable(AWAY) from None
        if status >= 500:
            raise unavailable(AWAY)
        return status, said if isinstance(said, dict) else {}

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, transport=self._transport)


def _endpoints(found: dict[str, Any], issuer: str) -> Endpoints:
    """Read a discovery document; raise ValueError for one that cannot be used."""
    authorization = named(found, "authorization_endpoint", issuer)
    token = named(found, "token_endpoint", issuer)
    if authorization is None or token is None:
        msg = "the discovery document names no endpoint for the code flow"
        raise ValueError(msg)
    ways: object = found.get("token_endpoint_auth_methods_supported")
    if not isinstance(ways, list) or not ways:
        ways = ["client_secret_basic"]
    return Endpoints(
        authorization=authorization,
        token=token,
        userinfo=named(found, "userinfo_endpoint", issuer),
        end_session=named(found, "end_session_endpoint", issuer),
        takes_basic="client_secret_basic" in ways or "client_secret_post" not in ways,
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _unusable() -> Problem:
    return Problem(
        502,
        "identity-provider-unusable",
        "The identity provider gave an answer that cannot be used",
        "The log says which; the client's id, secret and redirect address must be those that are "
        "registered with it",
    )
