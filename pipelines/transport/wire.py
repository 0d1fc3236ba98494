"""What goes over the wire to one endpoint and what comes back, whoever carries it."""

from dataclasses import dataclass
from typing import Protocol, Self


class WireError(ConnectionError):
    """The reply did not come: no connection, a broken one, or no HTTP on it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; `retry_after` is the header's text, `body` is read for status 200 only."""

    status: int
    retry_after: str
    body: bytes


class Reads(Protocol):
    """The bytes of a reply as they come, to its end; between two reads pass `apart` seconds.

    An object, not a generator: the event loop keeps a list of those, and a stream had six.
    """

    apart: float

    def __aiter__(self) -> Self:
        """Return itself."""

    async def __anext__(self) -> bytes:
        """Return all that has come since the last time. Raises WireError, TimeoutError."""

    def leave(self) -> None:
        """Hang up, where not all of it was read."""


class Wire(Protocol):
    """Sends to one endpoint; nothing is tried again beyond a connection that had gone stale."""

    async def whole(self, body: bytes, seconds: float) -> Reply:
        """Return the reply when all of it is there. Raises WireError, TimeoutError."""

    async def opened(self, body: bytes, seconds: float) -> tuple[Reply, Reads]:
        """Return the reply's head, and its bytes as they come: `leave` them in any case.

        `seconds` holds for the head and between any two reads. Raises WireError, TimeoutError.
        """
