"""What a question is answered with on the wire: JSON at once, or server-sent events."""

import contextlib
from collections.abc import AsyncGenerator, Mapping

import orjson
from fastapi.responses import Response, StreamingResponse
from starlette.types import Send

Events = AsyncGenerator[bytes, None]
Reply = bytes | Events

JSON = "application/json"
EVENTS = "text/event-stream"
DONE = b"data: [DONE]\n\n"


def event(data: Mapping[str, object]) -> bytes:
    """Return one server-sent event; JSON keeps the line ends of the text inside."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def as_response(reply: Reply) -> Response:
    """Return the reply for a framework to send."""
    if isinstance(reply, bytes):
        return Response(reply, media_type=JSON)
    return StreamingResponse(reply, media_type=EVENTS)


async def send_reply(reply: Reply, send: Send) -> None:
    """Send the reply as the framework would, without it."""
    if isinstance(reply, bytes):
        length = str(len(reply)).encode()
        headers = [(b"content-type", JSON.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply, "more_body": False})
        return
    async with contextlib.aclosing(reply):
        headers = [(b"content-type", f"{EVENTS}; charset=utf-8".encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in reply:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
