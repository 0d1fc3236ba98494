"""What a caller shows, turned into who it is: keys of the file, created keys, tokens of a provider.

Whatever is wrong with what is shown, the refusal is the same.
"""

import time
from collections.abc import Mapping
from typing import Protocol

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app import problems
from app.access import tokens
from app.access.identity import ANYBODY, Identity
from app.access.key_store import KeyStore
from app.keys import KeyRing
from app.problems import Problem

# Of one address; keys cannot be guessed anyway, this keeps the cost and the noise down.
GUESSES = parse("30/minute")


class Verifier(Protocol):
    """Checks the tokens of an identity provider."""

    def remembered(self, token: bytes, now: float) -> Identity | None:
        """Return who a token is for that was verified before and still holds."""

    async def verify(self, token: bytes, now: float) -> Identity:
        """Return who a token is for; raise BadToken, or a Problem where it cannot be checked."""


class BadToken(Exception):
    """A token that opens nothing; `guess` is false for one that was real and is only too old."""

    def __init__(self, *, guess: bool) -> None:
        super().__init__("the token is refused")
        self.guess = guess


class Door:
    """Knows every way in; `anonymous` opens it for everybody, as an admin."""

    def __init__(
        self,
        *,
        ring: KeyRing | None,
        store: KeyStore | None = None,
        verifier: Verifier | None = None,
        rate: RateLimitItem | None = None,
        anonymous: bool = False,
    ) -> None:
        self._ring = ring
        self._store = store
        self._verifier = verifier
        self._rate = rate
        self._anonymous = anonymous
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def identify(self, headers: Mapping[bytes, bytes], address: str) -> Identity:
        """Return who asks, or raise a Problem: 401, or 429 for too many guesses or requests."""
        if self._anonymous:
            return ANYBODY
        presented = _presented(headers)
        if not presented:
            msg = "Send a key as `Authorization: Bearer <key>`"
            raise problems.unauthorized(msg)
        identity = self._by_key(presented) or await self._by_token(presented, address)
        if identity is None:
            if not self._limiter.hit(GUESSES, "guess", address):
                raise self._too_many(GUESSES, "guess", address)
            msg = "This key is not known here"
            raise problems.unauthorized(msg)
        return identity

    def _by_key(self, presented: bytes) -> Identity | None:
        parts = tokens.parted(presented)
        if parts is not None and self._store is not None:
            known = self._store.find(*parts, time.time())
            if known is not None:
                self._spend(known.rate or self._rate, known.identity)
                return known.identity
        return self._ring.find(presented) if self._ring is not None else None

    async def _by_token(self, presented: bytes, address: str) -> Identity | None:
        if self._verifier is None or presented.count(b".") != 2:
            return None
        now = time.time()
        identity = self._verifier.remembered(presented, now)
        if identity is None:
            # Signatures cost something to check, so who guesses is not listened to any more.
            if not self._limiter.test(GUESSES, "guess", address):
                raise self._too_many(GUESSES, "guess", address)
            try:
                identity = await self._verifier.verify(presented, now)
            except BadToken as bad:
                if bad.guess:
                    return None
                msg = "This key is not known here"
                raise problems.unauthorized(msg) from None
        self._spend(self._rate, identity)
        return identity

    def _spend(self, rate: RateLimitItem | None, identity: Identity) -> None:
        whose = (identity.via, identity.credential)
        if rate is not None and not self._limiter.hit(rate, *whose):
            raise self._too_many(rate, *whose)

    def _too_many(self, rate: RateLimitItem, *whose: str) -> Problem:
        again = self._limiter.get_window_stats(rate, *whose).reset_time
        wait = max(1, round(again - time.time()))
        return Problem(
            429,
            "too-many-requests",
            "Too many requests",
            f"{rate} are allowed here; try again in {wait} s",
            headers={"Retry-After": str(wait)},
        )


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, presented = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer":
        presented = headers.get(b"x-api-key", b"")
    return presented.strip()
