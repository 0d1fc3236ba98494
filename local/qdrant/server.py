"""The HTTP side: keys, limits, Qdrant's envelopes, and work off the event loop."""

import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import orjson
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.qdrant.access import authorize
from local.qdrant.calls import AGREEMENT, Call
from local.qdrant.errors import ApiError, bad_request, unsupported
from local.qdrant.metrics import Metrics
from local.qdrant.routes import ROUTES, Served
from local.qdrant.storage import Storage

LOG = logging.getLogger("local.qdrant")
# the interface that is followed; the engine's own version is another
VERSION = "1.20.0"
TITLE = "Qdrant Edge behind a compatible subset"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# the engine works one call at a time; more threads only wait for the disk together
THREADS = 16

Endpoint = Callable[[Request], Awaitable[Response]]


def application(storage: Storage) -> Starlette:
    """Serve a storage; it is closed when the application stops."""
    metrics = Metrics()
    server = Server(storage, metrics)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(storage.close)

    routes = [Route(f"/{name}", server.alive, methods=["GET"]) for name in ("livez", "healthz")]
    routes += [
        Route("/readyz", server.ready, methods=["GET"]),
        Route("/", server.greet, methods=["GET"]),
        Route("/metrics", server.measure, methods=["GET"]),
        *(
            Route(served.path, server.endpoint(served), methods=[served.method])
            for served in ROUTES
        ),
        Route("/{rest:path}", server.refuse, methods=list(METHODS)),
    ]
    return Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={Exception: server.broken}
    )


class Server:
    """Turns requests into calls and what comes of them into responses."""

    def __init__(self, storage: Storage, metrics: Metrics) -> None:
        self.storage = storage
        self.metrics = metrics
        self.threads = CapacityLimiter(THREADS)

    async def alive(self, request: Request) -> Response:
        return PlainTextResponse("healthz check passed")

    async def ready(self, request: Request) -> Response:
        return PlainTextResponse("all shards are ready")

    async def greet(self, request: Request) -> Response:
        try:
            authorize(self.storage.settings, request.headers, "read")
        except ApiError as error:
            return failed(error, 0.0)
        return Response(
            orjson.dumps({"title": TITLE, "version": VERSION}), media_type="application/json"
        )

    async def measure(self, request: Request) -> Response:
        try:
            authorize(self.storage.settings, request.headers, "read")
            text = await to_thread.run_sync(self.metrics.text, self.storage, VERSION)
        except ApiError as error:
            return failed(error, 0.0)
        return PlainTextResponse(text)

    async def refuse(self, request: Request) -> Response:
        try:
            authorize(self.storage.settings, request.headers, "read")
        except ApiError as error:
            return failed(error, 0.0)
        self.metrics.record(request.method, "other", 501, 0.0)
        return failed(unsupported(f"{request.method} {request.url.path}"), 0.0)

    async def broken(self, request: Request, error: Exception) -> Response:
        """Answer for a bug of ours; Starlette raises it again, so the log has the whole story."""
        return failed(ApiError(500, "Service internal error, see the server's log"), 0.0)

    def endpoint(self, served: Served) -> Endpoint:
        async def answer(request: Request) -> Response:
            start = perf_counter()
            try:
                response = await self._answer(served, request, start)
            except ApiError as error:
                response = failed(error, perf_counter() - start)
            except OSError as error:
                response = failed(disk_error(error), perf_counter() - start)
            seconds = perf_counter() - start
            self.metrics.record(served.method, served.path, response.status_code, seconds)
            return response

        return answer

    async def _answer(self, served: Served, request: Request, start: float) -> Response:
        authorize(self.storage.settings, request.headers, served.access)
        unknown = set(request.query_params) - AGREEMENT - {"wait", "priority"}
        if unknown:
            what = f"query parameter {', '.join(sorted(unknown))}"
            raise unsupported(what)
        content = await self._body(request)
        call = Call(request.path_params, request.query_params, content)

        def work() -> Response:
            try:
                result = served.handler(self.storage, call)
            except ValueError as error:  # the engine's word for a path or date it cannot read
                raise bad_request(str(error)) from error
            if isinstance(result, Path):
                return FileResponse(result, filename=result.name)
            body = {"result": result, "status": "ok", "time": perf_counter() - start}
            return Response(orjson.dumps(body), media_type="application/json")

        return await to_thread.run_sync(work, limiter=self.threads)

    async def _body(self, request: Request) -> bytes:
        """Read the body, and stop as soon as it is too large."""
        limit = self.storage.settings.max_request_bytes
        message = (
            f"Payload Too Large: more than {limit >> 20} MiB. "
            "hint: send smaller batches, or raise QDRANT_EDGE_MAX_REQUEST_MB"
        )
        if int(request.headers.get("content-length") or 0) > limit:
            raise ApiError(413, message)
        parts: list[bytes] = []
        size = 0
        try:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise ApiError(413, message)
                parts.append(part)
        except ClientDisconnect as error:
            raise ApiError(400, "the client went away before its request was complete") from error
        return b"".join(parts)


def failed(error: ApiError, seconds: float) -> Response:
    body = orjson.dumps({"status": {"error": error.message}, "time": seconds})
    return Response(body, error.status, media_type="application/json")


def disk_error(error: OSError) -> ApiError:
    """Name the disk's trouble; the write that met it is not acknowledged."""
    LOG.error("the disk refused a request: %s", error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ApiError(507, "No space left on the volume. hint: delete points or enlarge it")
    return ApiError(500, f"Service internal error: {error.strerror}")
