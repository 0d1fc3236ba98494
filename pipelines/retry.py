"""Try a call to a service again where that may help."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pipelines.errors import failure_of

T = TypeVar("T")

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


def with_retry(call: Callable[[], T], attempts: int) -> T:
    """Return what the call returns; pause longer after each passing failure.

    Timeouts are not tried again: the caller has waited long enough.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except Exception as error:
            failure = failure_of(error)
            passing = failure is not None and failure.retryable and failure.kind != "timeout"
            if attempt == attempts or not passing:
                raise
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
        time.sleep(pause * random.uniform(0.5, 1.5))
    msg = f"attempts is {attempts}: expected 1 or more"
    raise ValueError(msg)
