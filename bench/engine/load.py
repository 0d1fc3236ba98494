"""Load: many connections that ask again as soon as they have an answer, or on a clock."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson

# The first piece of text in a stream: ours, OpenAI's; an empty role chunk is none.
_TEXT = re.compile(rb'"(?:delta|content)": ?"[^"]')


@dataclass(frozen=True)
class Request:
    """One request, ready to be written to a socket."""

    host: str
    port: int
    data: bytes
    expect: bytes  # what a whole answer holds

    @classmethod
    def post(
        cls, url: str, body: dict[str, object], expect: str, headers: dict[str, str] | None = None
    ) -> "Request":
        """Return a JSON request to a URL of the loopback interface."""
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        payload = orjson.dumps(body)
        lines = [
            f"POST {parts.path} HTTP/1.1",
            f"host: {parts.hostname}:{parts.port}",
            "content-type: application/json",
            f"content-length: {len(payload)}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        head = "\r\n".join(lines) + "\r\n\r\n"
        return cls(parts.hostname, parts.port, head.encode() + payload, expect.encode())


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer; times are those of time.perf_counter()."""

    start: float
    first: float  # the first text of a stream, else the end
    end: float
    status: int
    whole: bool  # status 200, and all that was expected is there
    retry_after: bool


class Connection(asyncio.Protocol):
    """One connection of a client; `done` is called with every Sample and may send again."""

    def __init__(self, request: Request, done: Callable[["Connection", Sample], None]) -> None:
        self._request = request
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def send(self) -> None:
        assert self._transport is not None
        self._body: list[bytes] = []
        self._first = 0.0
        self._retry_after = False
        self._busy = True
        self._start = time.perf_counter()
        self._transport.write(self._request.data)

    def close(self) -> None:
        self._busy = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, _value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        if not self._first and _TEXT.search(body):
            self._first = time.perf_counter()

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.lost = True
        self._end(self._parser.get_status_code())

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self._busy:
            self._end(0)

    def _end(self, status: int) -> None:
        self._busy = False
        end = time.perf_counter()
        whole = status == 200 and self._request.expect in b"".join(self._body)
        sample = Sample(self._start, self._first or end, end, status, whole, self._retry_after)
        self._done(self, sample)


@dataclass
class Load:
    """What is being sent, and what came back."""

    request: Request
    samples: list[Sample] = field(default_factory=list)
    _connections: set[Connection] = field(default_factory=set)
    _idle: list[Connection] = field(default_factory=list)
    _asking: bool = True

    async def keep(self, concurrency: int) -> None:
        """Keep this many questions in flight from now on."""
        for _ in range(concurrency):
            (await self._open(self._again)).send()

    async def arrive(self, rate: float, seconds: float) -> None:
        """Send one request every 1/rate seconds, whatever comes back."""
        start = time.perf_counter()
        for number in range(round(rate * seconds)):
            pause = start + number / rate - time.perf_counter()
            # Also when late: else no answer is read, and each request gets a connection of its own.
            await asyncio.sleep(max(0.0, pause))
            connection = self._idle.pop() if self._idle else await self._open(self._rest)
            connection.send()

    async def close(self) -> None:
        self._asking = False
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        await asyncio.sleep(0)

    async def _open(self, done: Callable[[Connection, Sample], None]) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self.request, done), self.request.host, self.request.port
        )
        self._connections.add(connection)
        return connection

    def _again(self, connection: Connection, sample: Sample) -> None:
        self.samples.append(sample)
        if not self._asking:
            return
        if connection.lost:
            self._connections.discard(connection)
            self._opening = asyncio.ensure_future(self.keep(1))
        else:
            connection.send()

    def _rest(self, connection: Connection, sample: Sample) -> None:
        self.samples.append(sample)
        if not connection.lost:
            self._idle.append(connection)
