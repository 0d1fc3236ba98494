"""One keep-alive connection of an HTTP/1.1 client: a request out, its reply in.

The four calls of a question took more than a third of its CPU time with aiohttp.
"""

import asyncio
from collections.abc import Callable
from typing import Self, cast

import httptools

from pipelines.transport.wire import Reply, WireError

# What a refusal's body may have: nobody reads it, but its end keeps the connection.
LONGEST_REFUSAL = 2**16


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; `ready` says that it may carry another.

    Use: `ask`, await it, then `reply`; and for a stream iterate to its end, and `leave`.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, left: Callable[["Connection"], None]
    ) -> None:
        """`left` takes the connection back from a stream."""
        self._loop = loop
        self._left = left
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
        # When what is waited for is late, and the timer that sees to it: one for many waits.
        self._late_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        # Between two reads of a stream, and the end of that pause.
        self.apart = 0.0
        self._resting: asyncio.TimerHandle | None = None
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
        self.apart = 0.0
        self._transport.write(request)
        await self._waited()

    def reply(self) -> Reply:
        """Return what has come; the body of a stream is left to who iterates."""
        body = b"" if self._streamed or self._status != 200 else self._taken()
        return Reply(self._status, self._retry_after, body)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return all that has come since the last time, to the reply's end.

        While the reader is at work with it, and for `apart` seconds, the rest waits in the socket:
        it does not pile up, and fifty tokens are not fifty reads.
        """
        while not self._parts:
            if self._error is not None:
                raise self._error
            if not self.busy:
                raise StopAsyncIteration
            if self._resting is None or not self.apart:
                self.listen()
            await self._waited()
        if self.busy and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
            if self.apart:
                self._resting = self._loop.call_later(self.apart, self._rested)
        return self._taken()

    def leave(self) -> None:
        """Give the connection back; it hangs up where the reply has not ended."""
        self._left(self)

    def listen(self) -> None:
        """Read from the socket again."""
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._paused and self._transport is not None:
            self._transport.resume_reading()
        self._paused = False

    def close(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        for timer in (self._timer, self._resting):
            if timer is not None:
                timer.cancel()
        self._timer = self._resting = None

    # What the event loop and the parser call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self.busy and self._headed and not self._framed and error is None:
            self.on_message_complete()  # the end of the connection is the end of the reply
        elif self.busy:
            self._fail(WireError("the connection was lost"))
        self.close()  # its timers

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
        self._late_at = self._loop.time() + self._seconds
        # A timer that rings too early costs less than a new one for each wait.
        if self._timer is not None and self._timer.when() > self._late_at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._late_at, self._rung)
        self._waiter = self._loop.create_future()
        await self._waiter

    def _rung(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._late_at:
            self._timer = self._loop.call_at(self._late_at, self._rung)
        else:
            self._fail(TimeoutError())

    def _rested(self) -> None:
        self._resting = None
        # Else the reader is still at work.
        if self._waiter is not None and not self._waiter.done():
            self.listen()

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
