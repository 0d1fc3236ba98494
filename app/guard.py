"""The one door: route, key, size, load and time are checked before a framework sees a request.

Pure ASGI, so streams pass through unbuffered.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from starlette.types import ASGIApp, Receive, Scope, Send

from app import problems
from app.access.audit import Audit
from app.access.door import Door
from app.access.identity import Identity, Visit, begin
from app.access.roles import needed, needs_all_collections
from app.body import Body
from app.exchange import Exchange
from app.log import request as request_line
from app.log import where
from app.metrics import Metrics
from app.places import Places
from app.problems import Problem
from app.surface import OF_BROWSERS, Kind, Route, find

log = logging.getLogger("app.guard")
CALLER = "app.caller"  # in the state of a request that the doorstep has counted
# What is asked in JSON is at most some hundred kB. Who sends it slower than this has no place yet.
BODY_SECONDS = 10.0
EVENTS_SECONDS = 3600.0  # who follows a job for longer asks again
ARCHIVE_SECONDS = 6 * 3600.0  # all that a service holds, over a line of the site's
ARCHIVE_BYTES = 2**44  # what fits is a question of the disk, and is asked there
Group = Literal["asking", "sending", "uploading", "following", "signing-in"]
GROUPS: dict[Kind, Group] = {
    "upload": "uploading",
    "archive": "uploading",
    "events": "following",
    "sign-in": "signing-in",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much, how many, how long."""

    body_bytes: int
    upload_bytes: int
    concurrency: int
    request_seconds: float
    upload_seconds: float

    def bytes(self, kind: Kind) -> int:
        if kind == "archive":
            return ARCHIVE_BYTES
        return self.upload_bytes if kind == "upload" else self.body_bytes

    def seconds(self, kind: Kind) -> float:
        if kind == "events":
            return EVENTS_SECONDS
        if kind == "archive":
            return ARCHIVE_SECONDS
        return self.upload_seconds if kind == "upload" else self.request_seconds


class Guard:
    """Wrap an ASGI app; behind it every request has a caller."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        door: Door,
        limits: Limits,
        metrics: Metrics,
        audit: Audit | None = None,
        on_leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._door = door
        self._audit = audit
        self.limits = limits
        self.metrics = metrics
        # Each has its own places: who uploads or follows a job over a slow line for long, and who
        # has not signed in yet, takes none of those who ask; nor does a question on its way.
        self._places = {group: Places(limits.concurrency) for group in get_args(Group)}
        self._asking = self._places["asking"]
        self.coming = 0  # let in on the doorstep, and not here yet
        self.turned_away = 0  # on the doorstep, since the last line of the log about it
        self.leaving = False  # the callers' next requests are for another process
        self._on_leave = on_leave

    async def leave(self) -> None:
        """Answer what comes, and ask each caller to come by a new connection from now on."""
        self.leaving = True
        if self._on_leave is not None:
            await self._on_leave()

    @property
    def full(self) -> bool:
        """Say whether as many questions are running as may."""
        return self._asking.taken + self.coming >= self.limits.concurrency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._exchange(scope, receive, send)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        caller = scope.get("state", {}).pop(CALLER, None)
        if caller is not None:
            self.coming -= 1
        exchange = Exchange(scope, send)
        exchange.last = lambda: self.leaving
        route = self._find(scope["path"])
        kind: Kind = route.kinds.get(exchange.method, "read") if route else "read"
        template = route.template if route else "unknown"
        limit = self.limits.bytes(kind)
        body = Body(receive, declared=exchange.declared, limit=limit, caller=caller)
        exchange.unread = lambda: not body.complete
        problem: Problem | None = None
        if self._audit is not None and route is not None and kind != "open":
            exchange.note = partial(self._audited, self._audit, scope, exchange, template)
        try:
            await self._admit(scope, route, kind, exchange)
            await self._run(scope, exchange, body, kind)
        except Problem as refusal:
            problem = refusal
        except Exception as error:
            log.error("unhandled", extra={"at": where(error), "request": exchange.request_id})
            problem = problems.internal()
        try:
            if problem is not None:
                await self._refuse(scope, exchange, body, problem)
            # Who waits for `100 Continue` has sent nothing yet and must not be asked to.
            if exchange.held and b"expect" not in exchange.headers:
                await body.linger()
            await exchange.release()
        finally:
            body.close()
            seconds = time.perf_counter() - began
            self.metrics.request(exchange.method, template, exchange.status, seconds)
            exchange.write_note()
            if kind != "open":
                line: dict[str, object] = {
                    "method": exchange.method,
                    "route": template,
                    "status": exchange.status,
                    "seconds": round(seconds, 4),
                    "bytes_in": body.size,
                    "bytes_out": exchange.sent,
                    "complete": exchange.complete,
                    "request": exchange.request_id,
                }
                if problem is not None:
                    line["problem"] = problem.name
                request_line(line)

    def _audited(self, audit: Audit, scope: Scope, exchange: Exchange, template: str) -> None:
        client = scope.get("client")
        audit.record(
            exchange.visit,
            method=exchange.method,
            route=template,
            status=exchange.status,
            request=exchange.request_id,
            address=client[0] if client else "",
        )

    def _find(self, path: str) -> Route | None:
        route = find(path)
        hidden = route is not None and route.template in OF_BROWSERS and not self._door.browsers
        return None if hidden else route

    async def _admit(
        self, scope: Scope, route: Route | None, kind: Kind, exchange: Exchange
    ) -> None:
        if route is None:
            raise problems.not_found()
        identity: Identity | None = None
        if kind not in ("open", "sign-in"):
            client = scope.get("client")
            identity = await self._door.identify(
                exchange.headers, client[0] if client else "", exchange.method
            )
        if kind != "open":
            exchange.visit = Visit(identity)
            begin(exchange.visit)
        if exchange.method not in route.kinds:
            raise problems.method_not_allowed(route.allowed)
        if identity is not None:
            role = needed(route.template, exchange.method)
            if not identity.may(role):
                msg = f"This needs the role {role}"
                raise problems.forbidden(msg)
            scoped = identity.collections is not None
            if scoped and needs_all_collections(route.template, exchange.method):
                msg = "This is about all collections: a key for some of them may not do it"
                raise problems.forbidden(msg)
        declared = exchange.declared
        if declared == -1:
            raise Problem(400, "malformed-body", "The Content-Length is not a number")
        limit = self.limits.bytes(kind)
        if declared is not None and declared > limit:
            raise problems.body_too_large(limit)

    async def _run(self, scope: Scope, exchange: Exchange, body: Body, kind: Kind) -> None:
        app = partial(self._app, scope, body.receive, exchange.send)
        if kind == "open":
            await app()
            return
        identity = exchange.visit.identity if exchange.visit is not None else None
        # An admin is let in for what must be done while others fill the house.
        whose = None if identity is None or identity.is_admin else identity.subject
        group = GROUPS.get(kind, "asking")
        seconds = self.limits.seconds(kind)
        if group == "asking" and not body.arrived:
            if self.full:
                raise problems.busy(self.limits.concurrency)
            sooner = min(BODY_SECONDS, seconds)
            await self._at_a_place("sending", whose, body.arrive, sooner, exchange, body, kind)
        await self._at_a_place(group, whose, app, seconds, exchange, body, kind)

    async def _at_a_place(
        self,
        group: Group,
        whose: str | None,
        step: Callable[[], Awaitable[None]],
        seconds: float,
        exchange: Exchange,
        body: Body,
        kind: Kind,
    ) -> None:
        places = self._places[group]
        places.take(whose)
        self.metrics.in_flight += 1
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds) as deadline:

                def stop() -> None:
                    if not exchange.complete and not deadline.expired():
                        deadline.reschedule(loop.time())

                body.on_too_large = stop
                # Nobody listens any more: stop paying for the answer. Uploads are finished all
                # the same.
                body.on_gone = stop if kind in ("answer", "events", "archive") else None
                try:
                    await step()
                finally:
                    body.on_too_large = body.on_gone = None
        except TimeoutError:
            if not deadline.expired():
                raise
            if body.too_large:
                raise problems.body_too_large(self.limits.bytes(kind)) from None
            if not body.gone:
                raise self._too_late(body) from None
        finally:
            self.metrics.in_flight -= 1
            places.leave(whose)

    def _too_late(self, body: Body) -> Problem:
        if not body.complete:
            return Problem(408, "body-too-slow", "The body did not arrive in time")
        return Problem(504, "deadline", "The answer was not ready in time", stage="request")

    async def _refuse(self, scope: Scope, exchange: Exchange, body: Body, problem: Problem) -> None:
        if exchange.complete:
            return
        if exchange.started:
            # Too late for another status: cutting the connection is the only honest signal left.
            message = "the response was cut"
            raise ConnectionAbortedError(message)
        await problem.response()(scope, body.receive, exchange.send)
