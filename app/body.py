"""The request body as the guard sees it: counted, and watched for a caller who hangs up."""

import asyncio
import contextlib
from collections.abc import Callable

from starlette.types import Message, Receive

# A refused caller may still be sending; it is listened to this long, so that it can read the
# refusal, and then cut off.
LINGER_SECONDS = 2.0
LINGER_BYTES = 32 * 2**20


class Caller:
    """A caller's connection while its request runs: whoever holds the socket says when it is lost.

    Else a task has to wait for it beside each request, and its end by cancellation is a hundred
    objects that only the collector frees.
    """

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] | None = None
        self.arrived = False  # all of its request

    def lost(self) -> None:
        if self.on_lost is not None:
            self.on_lost()


class Body:
    """Wrap `receive`; call `on_gone` when nobody waits for the answer, `on_too_large` as it says.

    Without the `caller` it watches `receive` itself.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        declared: int | None,
        limit: int,
        caller: Caller | None = None,
    ) -> None:
        self._receive = receive
        self._caller = caller
        if caller is not None:
            caller.on_lost = self._lost
        self._limit = limit
        self._gone = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._whole: Message | None = None
        self.on_gone: Callable[[], None] | None = None
        self.on_too_large: Callable[[], None] | None = None
        self.size = 0
        self.too_large = False
        self.complete = declared == 0

    @property
    def gone(self) -> bool:
        """Say whether the caller has hung up."""
        return self._gone.is_set()

    @property
    def arrived(self) -> bool:
        """Say whether reading it waits for nobody."""
        return self.complete or (self._caller is not None and self._caller.arrived)

    async def arrive(self) -> None:
        """Wait for all of it; `receive` has it in one piece then."""
        parts = []
        while (message := await self.receive())["type"] != "http.disconnect":
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                body = b"".join(parts)
                self._whole = {"type": "http.request", "body": body, "more_body": False}
                return

    async def receive(self) -> Message:
        if self._whole is not None:
            message, self._whole = self._whole, None
            return message
        if self._gone.is_set() or self._watcher is not None or self.too_large:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone.set()
            return message
        self.size += len(message.get("body", b""))
        if self.size > self._limit:
            self.too_large = True
            if self.on_too_large is not None:
                self.on_too_large()
            return await self.receive()
        if not message.get("more_body", False):
            self.complete = True
            if self._caller is None:
                self._watcher = asyncio.create_task(self._watch())
        return message

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self._lost()

    def _lost(self) -> None:
        if not self.complete:
            return  # whoever reads it is told by `receive`
        self._gone.set()
        if self.on_gone is not None:
            self.on_gone()

    def close(self) -> None:
        if self._caller is not None:
            self._caller.on_lost = None
        if self._watcher is not None:
            self._watcher.cancel()

    async def linger(self) -> None:
        """Read and forget what a refused caller still sends, within bounds."""
        left = LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and not self._gone.is_set():
                    message = await self._receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
                    left -= len(message["body"])
