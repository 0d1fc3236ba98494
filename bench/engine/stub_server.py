"""The stub services on a socket: as little work a request as Python allows.

`python -m bench.engine.stub_server CHAT_SECONDS` prints its port and serves until its standard
input closes.
"""

import asyncio
import http
import sys
from collections.abc import Sequence
from typing import cast

import httptools
import uvloop

from bench.engine.stub import Delays, Reply, Stub

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """One keep-alive connection; a request is answered when its time has passed."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._path = b""
        self._body: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._due: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._due is not None:
            self._due.cancel()
            self._stub.counts["aborted"] += 1

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, body = self._path.decode(), b"".join(self._body)
        self._path, self._body = b"", []
        method = self._parser.get_method().decode()
        reply = self._stub.reply(method, path, body)
        now = self._loop.time()
        if reply.pieces:
            apart = reply.seconds / len(reply.pieces)
            self._later(now + apart, self._piece, reply.pieces, 0, now + apart, apart)
        elif reply.seconds:
            self._later(now + reply.seconds, self._whole, reply)
        else:
            self._whole(reply)

    def _later(self, when: float, call: object, *arguments: object) -> None:
        assert callable(call)
        self._due = self._loop.call_at(when, call, *arguments)

    def _whole(self, reply: Reply) -> None:
        self._due = None
        if self._transport is not None:
            head = (
                f"HTTP/1.1 {reply.status} {http.HTTPStatus(reply.status).phrase}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(reply.body)}\r\n\r\n"
            )
            self._transport.write(head.encode() + reply.body)

    def _piece(self, pieces: Sequence[bytes], index: int, due: float, apart: float) -> None:
        self._due = None
        if self._transport is None:
            return
        piece = b"%x\r\n%s\r\n" % (len(pieces[index]), pieces[index])
        if index + 1 == len(pieces):
            self._transport.write(piece + b"0\r\n\r\n")
            return
        self._transport.write(piece if index else _STREAM_HEAD + piece)
        # From the time that was due, so that a late one does not make the stream longer.
        self._later(due + apart, self._piece, pieces, index + 1, due + apart, apart)


async def serve(delays: Delays) -> None:
    """Serve until standard input closes: whoever started it is gone then."""
    stub = Stub(delays)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(Delays(chat=float(sys.argv[1]))))
