"""A caller at the ASGI level: says when it sends, stops and hangs up."""

import asyncio
import json
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Scope


@dataclass
class Heard:
    """What an app sent."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def problem(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        document = json.loads(self.body)
        assert document["status"] == self.status
        return str(document["type"]).removeprefix("urn:stackyard:problem:")


def scope(method: str, path: str, headers: dict[str, str] | None = None) -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "headers": raw,
        "server": ("127.0.0.1", 1416),
        "client": ("127.0.0.1", 50000),
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }


async def call(
    app: ASGIApp,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    chunks: list[bytes] | None = None,
    *,
    hang_up: asyncio.Event | None = None,
    stall: bool = False,
) -> Heard:
    """Send a request; the body comes in chunks, and `stall` keeps its end back."""
    waiting = list(chunks or [b""])
    heard = Heard()
    done = asyncio.Event()

    async def receive() -> Message:
        if waiting:
            body = waiting.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(waiting) or stall}
        if hang_up is not None:
            await hang_up.wait()
        else:
            await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        heard.messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            done.set()

    await app(scope(method, path, headers), receive, send)
    return heard
