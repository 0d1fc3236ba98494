"""Refuses questions on uvicorn's doorstep while the house is full: before a task is made for them.

Through the guard a refusal has a task, a scope, a log line and often a connection of its own; at
four times the load that can be carried the refusals would take the answers' time.
"""

import logging
import uuid
from typing import cast

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.body import Caller
from app.exchange import SECURITY_HEADERS
from app.guard import CALLER, Guard
from app.problems import MEDIA_TYPE, Problem, busy
from app.surface import find

log = logging.getLogger("app.doorstep")
# A longer body is left to the guard, which knows how to turn away one who is still sending.
LONGEST_BODY = 2**16
LOG_SECONDS = 1.0


class Doorstep(HttpToolsProtocol):
    """Uvicorn's protocol; the app that it serves is a Guard."""

    _refusing = False
    _caller: Caller | None = None

    def on_headers_complete(self) -> None:
        self._refusing = self._guard.full and self._is_short_question()
        if not self._refusing:
            super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # Its task runs after all else that came in this turn of the loop: who comes next must see
        # that the place is taken.
        self._guard.coming += 1
        self._caller = Caller()
        cycle.scope["state"][CALLER] = self._caller
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._caller is not None:
            self._caller.lost()

    def on_body(self, body: bytes) -> None:
        if not self._refusing:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refusing:
            super().on_message_complete()
            return
        self._refusing = False
        last = self._guard.leaving or not self.parser.should_keep_alive()
        self.transport.write(_refusal(busy(self._guard.limits.concurrency), last=last))
        self._guard.metrics.request("POST", self.url.decode(), 429, 0.0)
        self._guard.turned_away += 1
        if self._guard.turned_away == 1:
            self.loop.call_later(LOG_SECONDS, _tell, self._guard)
        if not last:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self.transport.close()

    @property
    def _guard(self) -> Guard:
        return cast("Guard", self.config.app)

    def _is_short_question(self) -> bool:
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # it came behind another one on the same connection
        route = find(self.url.decode("latin-1"))
        if route is None or self.parser.get_method() != b"POST":
            return False
        if route.kinds.get("POST") != "answer" or self.expect_100_continue:
            return False
        length = dict(self.headers).get(b"content-length", b"")
        return length.isdigit() and int(length) <= LONGEST_BODY


def _tell(guard: Guard) -> None:
    """Log how many were refused since the last line."""
    refused, guard.turned_away = guard.turned_away, 0
    log.warning("busy", extra={"refused": refused})


def _refusal(problem: Problem, *, last: bool) -> bytes:
    body = orjson.dumps(problem.document())
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "x-request-id": uuid.uuid4().hex,
        **(problem.headers or {}),
        **{name.decode(): value.decode() for name, value in SECURITY_HEADERS},
        **({"connection": "close"} if last else {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {problem.status_code} Too Many Requests\r\n{lines}\r\n".encode() + body
