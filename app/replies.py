"""What a question is answered with on the wire: JSON at once, or server-sent events."""

from collections.abc import Awaitable, Callable, Mapping

import orjson
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

Write = Callable[[bytes], Awaitable[None]]
# Writes events as they come and returns the last ones. What it raises before the first of them is
# answered with a status of its own.
Events = Callable[[Write], Awaitable[bytes]]
Reply = bytes | Events

JSON = "application/json"
EVENTS = "text/event-stream"
DONE = b"data: [DONE]\n\n"


def event(data: Mapping[str, object]) -> bytes:
    """Return one server-sent event; JSON keeps the line ends of the text inside."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


class EventsResponse(Response):
    """Events for a framework to send."""

    media_type = EVENTS

    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_reply(self._events, send)


def as_response(reply: Reply) -> Response:
    """Return the reply for a framework to send."""
    if isinstance(reply, bytes):
        return Response(reply, media_type=JSON)
    return EventsResponse(reply)


async def send_reply(reply: Reply, send: Send) -> None:
    """Send the reply as the framework would, without it."""
    if isinstance(reply, bytes):
        length = str(len(reply)).encode()
        headers = [(b"content-type", JSON.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply, "more_body": False})
        return
    begun = False

    async def write(part: bytes) -> None:
        nonlocal begun
        if not begun:
            begun = True
            headers = [(b"content-type", f"{EVENTS}; charset=utf-8".encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": part, "more_body": True})

    last = await reply(write)
    if not begun:
        await write(b"")
    await send({"type": "http.response.body", "body": last, "more_body": False})
