"""One request and its response as the guard sees them."""

import uuid
from collections.abc import Callable

from starlette.types import Message, Scope, Send

from app.access.identity import Visit

SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
# For what a browser takes for a page although it is none; a page of ours brings its own.
NO_PAGE = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
ONLY_TLS = (b"strict-transport-security", b"max-age=31536000")
OVERWRITTEN = {b"x-request-id", *(name for name, _ in SECURITY_HEADERS)}


class Exchange:
    """Wrap `send`: note the status, complete the headers.

    A response that begins while the caller still sends is held open at its end: closing with
    unread data resets the connection, and the caller might never read why it was refused.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._tls = scope.get("scheme") == "https"
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = uuid.uuid4().hex
        self.visit: Visit | None = None
        self.unread: Callable[[], bool] = lambda: False
        self.last: Callable[[], bool] = lambda: False  # of its connection
        self.note: Callable[[], None] | None = None  # what is to be written before it ends
        self.status = 0
        self.started = False
        self.complete = False
        self.held = False
        self.sent = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            self.held = self.unread()
            kept = [(name, value) for name, value in message["headers"] if name not in OVERWRITTEN]
            own = [(b"x-request-id", self.request_id.encode()), *SECURITY_HEADERS]
            if all(name != NO_PAGE[0] for name, _ in kept):
                own.append(NO_PAGE)
            if self._tls:
                own.append(ONLY_TLS)
            if self.held or self.last():
                own.append((b"connection", b"close"))
            message = {**message, "headers": [*kept, *own]}
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self.complete:
                self.write_note()
            if self.held:
                message = {**message, "more_body": True}
        await self._send(message)

    def write_note(self) -> None:
        """Write what is to be written, if it was not yet; it refers to this, so it goes then."""
        note, self.note = self.note, None
        if note is not None:
            note()

    async def release(self) -> None:
        """End a response that was held open."""
        if self.held and self.complete:
            self.held = False
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def declared(self) -> int | None:
        """The declared length of the body; None where it comes in chunks, -1 for nonsense."""
        if b"transfer-encoding" in self.headers:
            return None
        value = self.headers.get(b"content-length", b"0")
        return int(value) if value.isdigit() else -1
