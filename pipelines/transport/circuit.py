"""When a service is left alone, and when a failed call to it may be tried again."""

import time
from collections.abc import Callable

# This many calls in a row that fail after all their retries open the circuit ...
THRESHOLD = 10
# ... for this long; then one call a REST_SECONDS asks whether the service is back.
REST_SECONDS = 1.0

# Retries are bought with tokens, so that an outage is not answered by a storm of them: ten at
# once, one a second, and one for every five calls that succeed.
MOST_TOKENS = 10.0
TOKENS_A_SECOND = 1.0
TOKENS_A_SUCCESS = 0.2


class Circuit:
    """The health of one endpoint as its callers see it; for one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0
        self._tokens = MOST_TOKENS
        self._counted = clock()

    def wait_seconds(self) -> float:
        """Return 0 where a call may go out, else the seconds until one may ask again."""
        if self._failures < THRESHOLD:
            return 0.0
        now = self._clock()
        if now < self._closed_until:
            return self._closed_until - now
        self._closed_until = now + REST_SECONDS
        return 0.0

    def succeeded(self) -> None:
        self._failures = 0
        self._tokens = min(MOST_TOKENS, self._tokens + TOKENS_A_SUCCESS)

    def failed(self) -> None:
        self._failures += 1
        self._closed_until = self._clock() + REST_SECONDS

    def may_retry(self) -> bool:
        """Take one token, or say that there is none."""
        now = self._clock()
        earned = (now - self._counted) * TOKENS_A_SECOND
        self._tokens = min(MOST_TOKENS, self._tokens + earned)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
