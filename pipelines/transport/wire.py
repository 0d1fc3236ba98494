"""What goes over the wire to one endpoint and what comes back, whoever carries it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class WireError(ConnectionError):
    """The reply did not come: no connection, a broken one, or no HTTP on it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; `retry_after` is the header's text, `body` is read for status 200 only."""

    status: int
    retry_after: str
    body: bytes


class Wire(Protocol):
    """Sends to one endpoint; nothing is tried again beyond a connection that had gone stale."""

    async def whole(self, body: bytes, seconds: float) -> Reply:
        """Return the reply when all of it is there. Raises WireError, TimeoutError."""

    def opened(
        self, body: bytes, seconds: float
    ) -> AbstractAsyncContextManager[tuple[Reply, AsyncIterator[bytes]]]:
        """Give the reply's head and its bytes as they come; leaving early hangs up.

        `seconds` holds for the head and between any two reads.
        """
