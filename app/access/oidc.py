"""Tokens of an OpenID Connect provider: signature, issuer, audience, time, role."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import jwt
from jwt.exceptions import InvalidTokenError

from app.access.door import BadToken
from app.access.identity import Identity, Role
from app.access.key_set import KeySet, KeysUnavailable
from app.access.roles import ANY_GROUP, role_of
from app.problems import Problem, forbidden

# Public keys only: a secret that both sides know has no place in a set of public keys.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LONGEST = 16 * 2**10
REMEMBERED = 4096


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


def unavailable(detail: str) -> Problem:
    return Problem(
        503,
        "identity-provider-unavailable",
        "The identity provider cannot be asked now",
        detail,
        headers={"Retry-After": "10"},
    )


def without_a_role() -> Problem:
    msg = "Nothing that you are a member of has a role here"
    return forbidden(msg)


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
        claims = await self.claims(token, self._settings.audience)
        user, groups = self.person(claims)
        role = role_of(groups, self._settings.roles)
        if role is None:
            raise without_a_role()
        identity = Identity(
            subject=user, role=role, groups=groups, via="oidc", credential=f"token of {user}"
        )
        self._remember(token, identity, float(claims["exp"]) + self._settings.skew_seconds)
        return identity

    async def claims(self, token: bytes, audience: Sequence[str]) -> dict[str, Any]:
        """Return what a token of the provider for one of an audience says.

        Raise BadToken, or a Problem, 503, while there are no keys to check it with.
        """
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
            msg = "The keys of the identity provider could not be read"
            raise unavailable(msg) from None
        if key is None:
            raise BadToken(guess=True)
        return self._checked(token, key, audience)

    def person(self, claims: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
        """Return user and groups that claims name; raise BadToken where they name nobody."""
        user = claims.get(self._settings.user_claim)
        if not _is_name(user):
            raise BadToken(guess=False)
        listed = claims.get(self._settings.groups_claim, [])
        if not isinstance(listed, list):
            return user, frozenset()
        return user, frozenset(each for each in listed if _is_name(each))

    def lacks(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether claims leave out who it is, or the groups."""
        return not {self._settings.user_claim, self._settings.groups_claim} <= claims.keys()

    def _checked(self, token: bytes, key: jwt.PyJWK, audience: Sequence[str]) -> dict[str, Any]:
        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=list(audience),
                issuer=settings.issuer,
                leeway=settings.skew_seconds,
                options={"require": ["exp", "iss", "aud"]},
            )
            float(claims["exp"])  # a number of any length is whole to PyJWT
        except (
            jwt.ExpiredSignatureError,
            jwt.ImmatureSignatureError,
            jwt.InvalidAudienceError,
            jwt.InvalidIssuerError,
            jwt.MissingRequiredClaimError,
        ):
            # The signature was right: somebody's real token, only not for now or not for here.
            raise BadToken(guess=False) from None
        except (InvalidTokenError, ValueError, TypeError, OverflowError):
            raise BadToken(guess=True) from None
        return claims

    def _remember(self, token: bytes, identity: Identity, until: float) -> None:
        if self._version != self._keys.version:
            self._known.clear()
            self._version = self._keys.version
        self._known[hashlib.sha256(token).digest()] = (identity, until)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _is_name(claimed: object) -> TypeGuard[str]:
    """Tell whether a claim is a text that can be kept; half of a surrogate pair cannot."""
    if not isinstance(claimed, str) or not claimed:
        return False
    try:
        claimed.encode()
    except UnicodeEncodeError:
        return False
    return True
