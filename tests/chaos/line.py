"""A TCP line between the app and one service, which can be cut, reset, stalled or made slow.

Aimed at several addresses it gives each a connection in turn, as a Service does.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from typing import Literal, Self
from urllib.parse import urlsplit

Fault = Literal["none", "away", "reset", "silent", "slow"]
SLOW_SECONDS = 0.3
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Line:
    """Forwards a port to a service; a fault holds for the share of connections that is asked."""

    def __init__(self, url: str, *, seed: int = 1) -> None:
        self._path = urlsplit(url).path
        self._targets = [_place(url)]
        self._taken = 0
        self._chance = random.Random(seed)
        self._fault: Fault = "none"
        self._share = 1.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._own_port = 0
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Return the service's address through this line."""
        return f"http://127.0.0.1:{self._own_port}{self._path}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def aim(self, *urls: str) -> None:
        """Lead new connections there; those that are open stay where they are."""
        self._targets = [_place(url) for url in urls]

    def become(self, fault: Fault, share: float = 1.0) -> None:
        """Take on a fault, for new connections and for what goes over the open ones."""
        self._call(self._become(fault, share))

    def _call(self, work: "asyncio.Future[None] | object") -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _become(self, fault: Fault, share: float) -> None:
        self._fault, self._share = fault, share
        if fault == "away":
            await self._close()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        target: asyncio.StreamWriter | None = None
        try:
            targets, self._taken = self._targets, self._taken + 1
            answers, target = await asyncio.open_connection(*targets[self._taken % len(targets)])
            async with asyncio.TaskGroup() as both:
                both.create_task(self._questions(reader, target, writer))
                both.create_task(_copied(answers, writer))
        except* (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, target):
                if each is not None:
                    each.close()
            self._open.discard(task)

    async def _questions(
        self, reader: asyncio.StreamReader, target: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(65536):
            if self._chance.random() < self._share:
                if self._fault == "reset":
                    kept = back.get_extra_info("socket")
                    kept.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    raise EOFError
                if self._fault == "silent":
                    await asyncio.Event().wait()
                if self._fault == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
            target.write(piece)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
