"""How a response's first bytes leave: its head with what follows, or alone, and always in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from app.outlet import Outlet


class Wire:
    """A transport that notes what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def on_a_wire(use: Callable[[Wire, Outlet], Awaitable[None]]) -> None:
    async def go() -> None:
        wire = Wire()
        transport = cast("asyncio.Transport", wire)
        await use(wire, Outlet(transport, asyncio.get_running_loop()))

    asyncio.run(go())


def test_head_and_body_are_one_write_and_leave_at_once() -> None:
    async def use(wire: Wire, outlet: Outlet) -> None:
        outlet.write(b"head")
        outlet.write(b"body")
        assert wire.written == [b"headbody"]
        await asyncio.sleep(0)
        assert wire.written == [b"headbody"]

    on_a_wire(use)


def test_a_head_that_nothing_follows_leaves_by_itself() -> None:
    async def use(wire: Wire, outlet: Outlet) -> None:
        outlet.write(b"head")
        assert not wire.written
        await asyncio.sleep(0)
        assert wire.written == [b"head"]

    on_a_wire(use)


def test_what_comes_later_is_written_as_it_comes() -> None:
    async def use(wire: Wire, outlet: Outlet) -> None:
        outlet.write(b"head")
        await asyncio.sleep(0)
        for part in (b"one", b"two"):
            outlet.write(part)
        assert wire.written == [b"head", b"one", b"two"]

    on_a_wire(use)


def test_closing_lets_the_head_go_first() -> None:
    async def use(wire: Wire, outlet: Outlet) -> None:
        outlet.write(b"head")
        outlet.close()
        assert (wire.written, outlet.is_closing()) == ([b"head"], True)
        await asyncio.sleep(0)
        assert wire.written == [b"head"]

    on_a_wire(use)


def test_a_head_for_nobody_is_dropped() -> None:
    async def use(wire: Wire, outlet: Outlet) -> None:
        outlet.write(b"head")
        wire.close()
        await asyncio.sleep(0)
        assert not wire.written

    on_a_wire(use)


def test_an_empty_body_follows_a_head_too() -> None:
    async def use(wire: Wire, outlet: Outlet) -> None:
        outlet.write(b"head")
        outlet.write(b"")
        outlet.write(b"more")
        assert wire.written == [b"head", b"more"]

    on_a_wire(use)
