"""Bearer tokens of an OpenID Connect provider: signature, issuer, audience, time, role."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from jwt.exceptions import InvalidTokenError

from app.access.door import BadToken
from app.access.identity import RANKS, Identity, Role
from app.access.key_set import KeySet, KeysUnavailable
from app.problems import Problem, forbidden

# Public keys only: a secret that both sides know has no place in a set of public keys.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LONGEST = 16 * 2**10
REMEMBERED = 4096
ANY_GROUP = "*"


@dataclass(frozen=True, kw_only=True)
class OidcSettings:
    """Whose tokens count and what they are worth; `roles` names groups, "*" is whoever signs in."""

    issuer: str
    audience: Sequence[str]
    keys_file: Path | None = None
    user_claim: str = "sub"
    groups_claim: str = "groups"
    roles: Mapping[Role, Sequence[str]] = field(default_factory=lambda: {"reader": [ANY_GROUP]})
    skew_seconds: float = 60.0


class OidcVerifier:
    """Checks a token once and remembers it until it ends, or the provider's keys change."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys = KeySet(settings.issuer, settings.keys_file)
        self._known: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()
        self._version = 0

    def remembered(self, token: bytes, now: float) -> Identity | None:
        """Return who a token is for that was verified before and still holds."""
        if self._version != self._keys.version:
            return None
        found = self._known.get(hashlib.sha256(token).digest())
        return found[0] if found is not None and now < found[1] else None

    async def verify(self, token: bytes, now: float) -> Identity:
        """Return who a token is for; raise BadToken, or a Problem: 403 without a role, 503."""
        if len(token) > LONGEST:
            raise BadToken(guess=True)
        try:
            header = jwt.get_unverified_header(token)
        except InvalidTokenError:
            raise BadToken(guess=True) from None
        key_id = header.get("kid")
        try:
            key = await self._keys.key(key_id if isinstance(key_id, str) else None)
        except KeysUnavailable:
            raise Problem(
                503,
                "identity-provider-unavailable",
                "Tokens cannot be checked now",
                "The keys of the identity provider could not be read",
                headers={"Retry-After": "10"},
            ) from None
        if key is None:
            raise BadToken(guess=True)
        claims = self._claims(token, key)
        identity = self._identity(claims)
        self._remember(token, identity, float(claims["exp"]) + self._settings.skew_seconds)
        return identity

    def _claims(self, token: bytes, key: jwt.PyJWK) -> dict[str, Any]:
        settings = self._settings
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=list(settings.audience),
                issuer=settings.issuer,
                leeway=settings.skew_seconds,
                options={"require": ["exp", "iss", "aud", settings.user_claim]},
            )
        except (
            jwt.ExpiredSignatureError,
            jwt.ImmatureSignatureError,
            jwt.InvalidAudienceError,
            jwt.InvalidIssuerError,
            jwt.MissingRequiredClaimError,
        ):
            # The signature was right: somebody's real token, only not for now or not for here.
            raise BadToken(guess=False) from None
        except (InvalidTokenError, ValueError, TypeError):
            raise BadToken(guess=True) from None

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        user = claims[self._settings.user_claim]
        if not isinstance(user, str) or not user:
            raise BadToken(guess=False)
        listed = claims.get(self._settings.groups_claim, [])
        groups = (
            frozenset(each for each in listed if isinstance(each, str) and each)
            if isinstance(listed, list)
            else frozenset[str]()
        )
        fits = [
            role
            for role, wanted in self._settings.roles.items()
            if ANY_GROUP in wanted or not groups.isdisjoint(wanted)
        ]
        if not fits:
            msg = "Nothing that you are a member of has a role here"
            raise forbidden(msg)
        role = max(fits, key=RANKS.__getitem__)
        return Identity(
            subject=user, role=role, groups=groups, via="oidc", credential=f"token of {user}"
        )

    def _remember(self, token: bytes, identity: Identity, until: float) -> None:
        if self._version != self._keys.version:
            self._known.clear()
            self._version = self._keys.version
        self._known[hashlib.sha256(token).digest()] = (identity, until)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
