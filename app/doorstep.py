"""Refuses on uvicorn's doorstep what needs no guard: questions too many, and what has no end.

Questions while the house is full: through the guard a refusal has a task, a scope, a log line and
often a connection of its own; at four times the load that can be carried the refusals would take
the answers' time. And what strangers send: httptools takes a head of any length, for as long as it
comes. What arrives whole, as nearly all does, is compared with its bounds once and has no timer.
"""

import asyncio
import logging
import uuid
from http import HTTPStatus
from typing import cast

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.body import Caller
from app.exchange import SECURITY_HEADERS
from app.guard import CALLER, Guard
from app.outlet import Outlet
from app.problems import MEDIA_TYPE, Problem, busy
from app.surface import Route, find

log = logging.getLogger("app.doorstep")
# A longer body is left to the guard, which knows how to turn away one who is still sending.
LONGEST_BODY = 2**16
LOG_SECONDS = 1.0
# Of a head, its end included; also of all that comes and is neither a head's end nor a body.
LONGEST_HEAD = 64 * 2**10
MOST_HEADERS = 100
HEAD_SECONDS = 20.0  # until a head is whole: of a new connection, and of one that comes in pieces
MOST_WAITING = 16  # requests that were sent before an answer, on one connection
# Sixteen times the requests that run at once; each may hold a head that has no end.
MOST_CONNECTIONS = 2048


class Doorstep(HttpToolsProtocol):
    """Uvicorn's protocol; the app that it serves is a Guard."""

    _refusing: Route | None = None
    _caller: Caller | None = None
    _arrived = False  # of the last read: the end of a head, or some of a body
    _size = 0  # of the last read
    _unfinished = 0  # bytes of the reads before it, since one that had either
    _too_much: Problem | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()
        self._set_timer()

    def data_received(self, data: bytes) -> None:
        self._arrived = False
        self._size = len(data)
        super().data_received(data)
        if not self._arrived:
            self._wait()
        elif self._refusing is not None:  # its length is known, and no guard has a time for it
            self._set_timer()

    def on_headers_complete(self) -> None:
        self._arrived = True
        if self._timer is not None:
            self._stop_timer()
        if len(self.headers) > MOST_HEADERS or self._unfinished + self._size > LONGEST_HEAD:
            self._measure()
        self._unfinished = 0
        if len(self.pipeline) >= MOST_WAITING:
            raise self._refused(_too_many_waiting())
        self._refusing = self._short_question() if self._guard.full else None
        if self._refusing is None:
            super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # Its task runs after all else that came in this turn of the loop: who comes next must see
        # that the place is taken.
        self._guard.coming += 1
        self._caller = Caller()
        cycle.scope["state"][CALLER] = self._caller
        # The head of a HEAD's answer is all of it: nothing follows that it could wait for.
        if cycle.scope["method"] != "HEAD":
            cycle.transport = cast("asyncio.Transport", Outlet(self.transport, self.loop))
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()
        if self._caller is not None:
            self._caller.lost()

    def on_body(self, body: bytes) -> None:
        self._arrived = True
        if self._refusing is None:
            if self._unfinished:  # the length of a chunk came alone
                self._unfinished = 0
                self._stop_timer()
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refusing is None:
            super().on_message_complete()
            if self._caller is not None:
                self._caller.arrived = True
            return
        template, self._refusing = self._refusing.template, None
        last = self._guard.leaving or not self.parser.should_keep_alive()
        self.transport.write(_refusal(busy(self._guard.limits.concurrency), last=last))
        self._guard.metrics.request("POST", template, 429, 0.0)
        self._guard.turned_away += 1
        if self._guard.turned_away == 1:
            self.loop.call_later(LOG_SECONDS, _tell, self._guard)
        if not last:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        if self._too_much is None:
            super().send_400_response(msg)
            return
        if not self._answering:  # an answer that runs must not have this in its middle
            self.transport.write(_refusal(self._too_much, last=True))
        self._guard.metrics.request("unknown", "unknown", self._too_much.status_code, 0.0)
        self.transport.close()

    def _wait(self) -> None:
        """Bound what has come of something that goes on: a head, trailers, nothing but lines."""
        self._unfinished += self._size
        if self._unfinished > LONGEST_HEAD or len(self.headers or ()) > MOST_HEADERS:
            if not self.transport.is_closing():
                self._refused(_head_too_large())
                self.send_400_response("")
        else:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._answering:  # else the guard has its own times
            self.transport.close()

    def _measure(self) -> None:
        """Refuse a head that is too large; what was read may have had a body too."""
        length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if length > LONGEST_HEAD or len(self.headers) > MOST_HEADERS:
            raise self._refused(_head_too_large())

    def _refused(self, problem: Problem) -> Problem:
        """Note why; raised in the parser's callback it ends in `send_400_response`."""
        self._too_much = problem
        return problem

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> None:
        """Close a connection that nobody waits on, or this one where there is none."""
        idle = (each for each in self.connections if isinstance(each, Doorstep) and each.is_idle)
        next(idle, self).transport.close()

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is being answered, nor is this closed already."""
        return not self._answering and not self.transport.is_closing()

    @property
    def _guard(self) -> Guard:
        return cast("Guard", self.config.app)

    def _short_question(self) -> Route | None:
        if self._answering:
            return None  # it came behind another one on the same connection
        route = find(self.url.decode("latin-1"))
        if route is None or self.parser.get_method() != b"POST":
            return None
        if route.kinds.get("POST") != "answer" or self.expect_100_continue:
            return None
        length = dict(self.headers).get(b"content-length", b"")
        return route if length.isdigit() and int(length) <= LONGEST_BODY else None


def _tell(guard: Guard) -> None:
    """Log how many were refused since the last line."""
    refused, guard.turned_away = guard.turned_away, 0
    log.warning("busy", extra={"refused": refused})


def _head_too_large() -> Problem:
    return Problem(
        431,
        "head-too-large",
        "The request's head is too large",
        f"At most {MOST_HEADERS} headers and {LONGEST_HEAD} bytes with the address are accepted",
    )


def _too_many_waiting() -> Problem:
    return Problem(
        429, "busy", "Too many requests at once", f"At most {MOST_WAITING} wait on a connection"
    )


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
    phrase = HTTPStatus(problem.status_code).phrase
    return f"HTTP/1.1 {problem.status_code} {phrase}\r\n{lines}\r\n".encode() + body
