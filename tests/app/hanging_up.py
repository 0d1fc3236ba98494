"""A caller who asks, and hangs up as soon as the model has begun."""

import json
import socket
import time
from urllib.parse import urlsplit

from tests.app.process import KEY, AppProcess, until
from tests.fakes.nim import FakeNim


def seconds_to_cut(app: AppProcess, nim: FakeNim, path: str, members: dict[str, object]) -> float:
    """Return the seconds from hanging up on a slow model's answer to the end of its call."""
    cut, asked = nim.streams_cut, len(nim.posts("/chat/completions"))
    nim.token_delay, nim.answer = 0.05, "word " * 1000
    address = urlsplit(app.url)
    body = json.dumps(members).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    try:
        with socket.create_connection((address.hostname or "", address.port or 0)) as caller:
            caller.sendall(head.encode() + body)
            until(lambda: len(nim.posts("/chat/completions")) > asked, 120)
            time.sleep(0.2)  # the call is on its way, not only begun
        began = time.monotonic()
        until(lambda: nim.streams_cut > cut, 5)
        return time.monotonic() - began
    finally:
        nim.token_delay, nim.answer = 0.0, None
