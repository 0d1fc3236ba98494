"""The way out for one response: its head leaves together with what follows in the same moment."""

import asyncio


class Outlet:
    """A transport that joins the first two writes, which are a response's head and its body.

    Each write is a system call and wakes who reads. A head that nothing follows leaves at the end
    of the event loop's turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._begun = False
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._held is not None:
            data, self._held = self._held + data, None
        elif not self._begun:
            self._begun, self._held = True, data
            self._loop.call_soon(self._let_go)
            return
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        head, self._held = self._held, None
        # A transport that is closed takes nothing, and uvloop's says so by an exception.
        if head is not None and not self._transport.is_closing():
            self._transport.write(head)
