"""The connections to one host, kept open from call to call."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping

from yarl import URL

from pipelines.transport.connection import Connection
from pipelines.transport.wire import Reads, Reply, WireError

CONNECT_SECONDS = 5.0
# Servers close idle connections after 60 to 75 s; ours are gone before.
KEEPALIVE_SECONDS = 30.0


class Pool:
    """Connections of one event loop to one scheme, host and port."""

    def __init__(self, url: URL, certificates: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = url.host or ""
        self._port = url.port or 80
        self._certificates = certificates
        self._idle: deque[Connection] = deque()
        self._purge: asyncio.TimerHandle | None = None
        self._closed = False

    async def carried(self, request: bytes, seconds: float, *, streamed: bool) -> Connection:
        """Return the connection that brought the reply to a request. Raises WireError.

        One that was kept and turns out to be gone costs no attempt: servers close them when they
        like.
        """
        ends = self._loop.time() + seconds
        connection = self._kept()
        if connection is not None:
            try:
                return await self._asked(connection, request, seconds, streamed=streamed)
            except WireError:
                if connection.answered:
                    raise
        connection = await self._opened(min(CONNECT_SECONDS, seconds))
        left = max(0.0, ends - self._loop.time())
        return await self._asked(connection, request, left, streamed=streamed)

    def give(self, connection: Connection) -> None:
        """Keep the connection for the next call, if it may have one."""
        if not connection.ready or self._closed:
            connection.close()
            return
        connection.listen()
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if self._purge is None:
            self._purge = self._loop.call_later(KEEPALIVE_SECONDS, self._purged)

    def close(self) -> None:
        """Hang up on all that are idle; those in use follow when they are given back."""
        self._closed = True
        if self._purge is not None:
            self._purge.cancel()
        while self._idle:
            self._idle.pop().close()

    async def _asked(
        self, connection: Connection, request: bytes, seconds: float, *, streamed: bool
    ) -> Connection:
        try:
            await connection.ask(request, seconds, streamed=streamed)
        except BaseException:
            connection.close()
            raise
        return connection

    def _kept(self) -> Connection | None:
        # The one used last, so that those that are too many grow old.
        while self._idle:
            connection = self._idle.pop()
            if connection.ready:
                return connection
        return None

    async def _opened(self, seconds: float) -> Connection:
        try:
            async with asyncio.timeout(seconds):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self.give),
                    self._host,
                    self._port,
                    ssl=self._certificates,
                )
        except OSError as error:  # TimeoutError is one
            if isinstance(error, TimeoutError) and seconds < CONNECT_SECONDS:
                raise  # the call's own time was up
            # A connection that never opens is a service that is away, not one that is slow.
            msg = "no connection"
            raise WireError(msg) from error
        return connection

    def _purged(self) -> None:
        oldest = self._loop.time() - KEEPALIVE_SECONDS
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().close()
        left = self._idle[0].idle_since - oldest if self._idle else None
        self._purge = self._loop.call_later(left, self._purged) if left is not None else None


class DirectWire:
    """Requests to one endpoint over its host's pool."""

    def __init__(self, pool: Pool, method: str, url: URL, headers: Mapping[str, str]) -> None:
        self._pool = pool
        lines = [
            f"{method} {url.raw_path_qs} HTTP/1.1",
            f"host: {url.host_port_subcomponent}",
            *(f"{name}: {value}" for name, value in headers.items()),
            "content-length: ",
        ]
        if any("\r" in line or "\n" in line for line in lines):
            msg = "a header has a line break in it: is the key one line?"
            raise ValueError(msg)
        self._head = "\r\n".join(lines).encode()

    async def whole(self, body: bytes, seconds: float) -> Reply:
        """Return the reply when all of it is there. Raises WireError, TimeoutError."""
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        connection = await self._pool.carried(request, seconds, streamed=False)
        reply = connection.reply()
        self._pool.give(connection)
        return reply

    async def opened(self, body: bytes, seconds: float) -> tuple[Reply, Reads]:
        """Return the reply's head, and its bytes as they come. Raises WireError, TimeoutError."""
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        connection = await self._pool.carried(request, seconds, streamed=True)
        return connection.reply(), connection
