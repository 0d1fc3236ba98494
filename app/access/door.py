"""What a caller shows, turned into who it is: keys, tokens of a provider, sessions of a browser.

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


class Browsers(Protocol):
    """Knows the sessions of those who have signed in with a browser."""

    def identify(self, headers: Mapping[bytes, bytes], method: str) -> Identity | None:
        """Return whose session a cookie is of; raise a Problem, 403, for a foreign page's call."""


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
        browsers: Browsers | None = None,
        rate: RateLimitItem | None = None,
        anonymous: bool = False,
    ) -> None:
        self.browsers = browsers
        self._ring = ring
        self._store = store
        self._verifier = verifier
        self._rate = rate
        self._anonymous = anonymous
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def identify(self, headers: Mapping[bytes, bytes], address: str, method: str) -> Identity:
        """Return who asks.

        Raise a Problem: 401, 429 for too many guesses or requests, 403 for a foreign page's call.
        """
        if self._anonymous:
            return ANYBODY
        presented = _presented(headers)
        if not presented:
            return self._by_session(headers, method)
        identity = self._by_key(presented) or await self._by_token(presented)
        if identity is None:
            self.guessed(address)
            msg = "This key is not known here"
            raise problems.unauthorized(msg)
        return identity

    def listen(self, address: str) -> None:
        """Raise a Problem, 429, for who has guessed too often of late."""
        if not self._limiter.test(GUESSES, "guess", address):
            raise self._too_many(GUESSES, "guess", address)

    def guessed(self, address: str) -> None:
        """Count a guess; raise a Problem, 429, where it is one too many."""
        if not self._limiter.hit(GUESSES, "guess", address):
            raise self._too_many(GUESSES, "guess", address)

    def _by_session(self, headers: Mapping[bytes, bytes], method: str) -> Identity:
        identity = self.browsers.identify(headers, method) if self.browsers else None
        if identity is None:
            sign_in = ", or sign in at /login" if self.browsers else ""
            msg = f"Send a key as `Authorization: Bearer <key>`{sign_in}"
            raise problems.unauthorized(msg)
        self._spend(self._rate, identity)
        return identity

    def _by_key(self, presented: bytes) -> Identity | None:
        parts = tokens.parted(presented)
        if parts is not None and self._store is not None:
            known = self._store.find(*parts, time.time())
            if known is not None:
                self._spend(known.rate or self._rate, known.identity)
                return known.identity
        return self._ring.find(presented) if self._ring is not None else None

    async def _by_token(self, presented: bytes) -> Identity | None:
        if self._verifier is None or presented.count(b".") != 2:
            return None
        now = time.time()
        identity = self._verifier.remembered(presented, now)
        if identity is None:
            # Whoever guesses behind the same address: a signature takes some tens of microseconds
            # to check, less than the request that brings it, and a right one must be heard.
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
