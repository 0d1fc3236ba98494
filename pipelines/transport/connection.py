"""One keep-alive connection of an HTTP/1.1 client: a request out, its reply in.

The four calls of a question took more than a third of its CPU time with aiohttp.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import httptools

from pipelines.transport.wire import Reply, WireError

# What a refusal's body may have: nobody reads it, but its end keeps the connection.
LONGEST_REFUSAL = 2**16


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; `ready` says that it may carry another.

    Use: `ask`, await it, then `reply`; and for a stream `reads` to its end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._streamed = False
        self._paused = False
        self._framed = False
        self._headed = False
        self._status = 0
        self._retry_after = ""
        self._error: Exception | None = None
        self._seconds = 0.0
        # Between the request and the last byte of its reply.
        self.busy = False
        # A byte of the reply has come: it is too late to send the request over another connection.
        self.answered = False
        self.idle_since = 0.0

    @property
    def ready(self) -> bool:
        return self._transport is not None and not self.busy

    async def ask(self, request: bytes, seconds: float, *, streamed: bool = False) -> None:
        """Send, and wait for the whole reply, or for its head where a 200 is streamed."""
        if self._transport is None:
            raise self._error or WireError("the connection is closed")
        self.busy, self.answered = True, False
        self._parts, self._size = [], 0
        self._streamed = streamed
        self._seconds = seconds
        self._transport.write(request)
        await self._waited()

    def reply(self) -> Reply:
        """Return what has come; the body of a stream is left to `reads`."""
        body = b"" if self._streamed or self._status != 200 else self._taken()
        return Reply(self._status, self._retry_after, body)

    async def reads(self) -> AsyncIterator[bytes]:
        """Yield all that has come since the last time, to the reply's end.

        While the reader is at work with it the rest waits in the socket: it does not pile up, and
        fifty tokens are not fifty reads.
        """
        while True:
            if self._parts:
                if self.busy and self._transport is not None:
                    self._paused = True
                    self._transport.pause_reading()
                yield self._taken()
                self.listen()
            elif self._error is not None:
                raise self._error
            elif not self.busy:
                return
            else:
                await self._waited()

    def listen(self) -> None:
        """Read from the socket again."""
        if self._paused and self._transport is not None:
            self._transport.resume_reading()
        self._paused = False

    def close(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # What the event loop and the parser call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self.busy and self._headed and not self._framed and error is None:
            self.on_message_complete()  # the end of the connection is the end of the reply
        elif self.busy:
            self._fail(WireError("the connection was lost"))

    def data_received(self, data: bytes) -> None:
        self.answered = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(WireError("what came is no HTTP"))

    def on_message_begin(self) -> None:
        if not self.busy:
            self.close()  # nobody asked
            return
        self._retry_after = ""
        self._framed = self._headed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.busy:
            return
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":
            self._framed = True
        elif name == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self.busy:
            return
        self._headed = True
        self._status = self._parser.get_status_code()
        if self._status == 200 and self._streamed:
            self._settle()
        elif self._status > 200:
            self._streamed = False

    def on_body(self, body: bytes) -> None:
        if not self.busy:
            return
        self._parts.append(body)
        self._size += len(body)
        if self._streamed:
            self._settle()
        elif self._size > LONGEST_REFUSAL and self._status != 200:
            self.on_message_complete()
            self.close()

    def on_message_complete(self) -> None:
        if not self.busy or self._status < 200:
            return  # 100 Continue and the like: the reply is still to come
        self.busy = False
        # Without a length only the connection's end ends a reply.
        if not self._framed or not self._parser.should_keep_alive():
            self.close()
        self._settle()

    async def _waited(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(self._seconds, self._late)
        try:
            await waiter
        finally:
            timer.cancel()

    def _late(self) -> None:
        self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        if self.busy:  # what comes behind a whole reply spoils the connection only
            self._error = error
        self.busy = False
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _settle(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _taken(self) -> bytes:
        parts, self._parts, self._size = self._parts, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)
