"""A guard behind uvicorn and the doorstep, on a real socket, and who calls there."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.access.door import Door
from app.doorstep import Doorstep
from app.guard import Guard, Limits
from app.metrics import Metrics


@dataclass
class Heard:
    """One reply."""

    status: int
    headers: dict[str, str]
    body: bytes


class House:
    """A guard of few places behind uvicorn; who is inside waits for `leave`."""

    def __init__(self, *, places: int = 1, door: Door | None = None) -> None:
        self.leave = asyncio.Event()
        self.inside = asyncio.Event()
        self.metrics = Metrics()
        limits = Limits(
            body_bytes=10**6,
            upload_bytes=10**6,
            concurrency=places,
            request_seconds=9,
            upload_seconds=9,
        )
        self.guard = Guard(
            self._app,
            door=door or Door(ring=None, anonymous=True),
            limits=limits,
            metrics=self.metrics,
        )
        self.address = ("", 0)
        self.bodies: list[bytes] = []
        self.callers: list[asyncio.StreamWriter] = []

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/healthz":
            body, more = b"", True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
            self.bodies.append(body)
            self.inside.set()
            await self.leave.wait()
        await PlainTextResponse("answered")(scope, receive, send)


class Caller:
    """One keep-alive connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str | None
    ) -> None:
        self._key = key
        self._reader = reader
        self._writer = writer

    @classmethod
    async def of(cls, house: House, key: str | None = None) -> "Caller":
        reader, writer = await asyncio.open_connection(*house.address)
        house.callers.append(writer)
        return cls(reader, writer, key)

    def say(self, method: str, path: str, body: bytes = b"{}", *, lacking: int = 0) -> None:
        """Send a request; of its body `lacking` bytes are kept back."""
        key = f"authorization: Bearer {self._key}\r\n" if self._key else ""
        length = len(body) + lacking
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\n{key}content-length: {length}\r\n\r\n"
        self._writer.write(head.encode() + body)

    async def hear(self) -> Heard:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Heard(int(head[0].split()[1]), headers, body)

    def send(self, text: bytes) -> None:
        self._writer.write(text)

    @property
    def ended(self) -> bool:
        return self._reader.at_eof()

    async def closed(self) -> bytes:
        """Return what still comes, once the other side has closed."""
        async with asyncio.timeout(30):
            try:
                return await self._reader.read()
            except ConnectionResetError:  # it was still sending
                return b""

    def hang_up(self) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"{}") -> Heard:
        self.say(method, path, body)
        return await self.hear()


def in_a_house(house: House, visit: Callable[[House], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        config = uvicorn.Config(
            house.guard, http=Doorstep, ws="none", lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        opened = socket.create_server(("127.0.0.1", 0))
        house.address = opened.getsockname()
        serving = asyncio.create_task(server.serve(sockets=[opened]))
        try:
            await _opened(house)
            await visit(house)
        finally:
            house.leave.set()
            for caller in house.callers:
                caller.close()
                with contextlib.suppress(ConnectionResetError):
                    await caller.wait_closed()
            server.should_exit = True
            await serving
            opened.close()

    asyncio.run(all_of_it())


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0.01)


async def _opened(house: House) -> None:
    for _ in range(500):
        try:
            caller = await Caller.of(house)
            assert (await caller.ask("GET", "/healthz", b"")).status == 200
        except ConnectionError:
            await asyncio.sleep(0.01)
        else:
            caller.hang_up()
            return
    raise AssertionError
