"""The whole ASGI app: guard, our routes, Hayhooks behind them."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from hayhooks import create_app as create_hayhooks  # type: ignore[import-untyped]
from starlette.types import ASGIApp

from app import problems
from app.entrance import Entrance, entrance
from app.guard import Guard, Limits
from app.hot_routes import HotRoutes
from app.memory import settle
from app.metrics_port import serve_metrics
from app.openapi import DESCRIPTION, VERSION, describe
from app.routes.access import access_router
from app.routes.backup import backup_router
from app.routes.chat import chat_router
from app.routes.documents import documents_router
from app.routes.health import health_router
from app.routes.mcp import mcp_router
from app.routes.query import query_router
from app.routes.responses import responses_router
from app.routes.site import site_router
from app.service import Service, build
from app.settings import Settings
from app.tools import Tools

if TYPE_CHECKING:
    from app.tracing import Traces

THREADS = 64


def create(settings: Settings) -> Guard:
    """Return the app for a server to run."""
    service = build(settings)
    way_in = entrance(settings, service)
    service.reembedding.check(leads=service.upkeep.leads)
    hayhooks = create_hayhooks()
    problems.install(hayhooks)
    traces = _traces(settings, service)
    ours = _ours(service, hayhooks, way_in, traces)
    limits = Limits(
        body_bytes=settings.max_body_bytes,
        upload_bytes=settings.max_upload_bytes,
        concurrency=settings.max_concurrency,
        request_seconds=settings.request_seconds,
        upload_seconds=settings.upload_seconds,
    )
    # The stock engine is measured and compared as it comes: through Hayhooks and FastAPI.
    served: ASGIApp = HotRoutes(ours, service.answering) if settings.engine == "fast" else ours
    if traces is not None:
        served = traces.of(served)
    return Guard(
        served,
        door=way_in.door,
        limits=limits,
        metrics=service.metrics,
        audit=service.audit,
        on_leave=service.leave,
    )


def _traces(settings: Settings, service: Service) -> "Traces | None":
    if settings.traces_url is None:
        return None
    # Imported late: the SDK takes some MB.
    from app.tracing import Traces

    traces = Traces(settings.traces_url, instance=service.audit.replica, version=VERSION)
    traces.begin()
    return traces


def _ours(
    service: Service, hayhooks: FastAPI, way_in: Entrance, traces: "Traces | None"
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with (
            hayhooks.router.lifespan_context(hayhooks),
            serve_metrics(service.metrics, service.settings),
        ):
            # The default has cpu + 4 threads, and every question waits in three of them.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
            await service.upkeep.start()
            settle()
            try:
                yield
            finally:
                try:
                    await service.upkeep.stop()
                    await service.library.indexer.close()
                    await asyncio.to_thread(service.index.close)
                    await service.answering.close()
                    await service.site.close()
                    await service.readiness.close()
                finally:
                    if traces is not None:
                        await asyncio.to_thread(traces.close)

    app = FastAPI(
        title="stackyard",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.include_router(health_router(service.readiness, service.metrics))
    app.include_router(query_router(service.answering))
    app.include_router(chat_router(service.answering))
    app.include_router(responses_router(service.answering))
    app.include_router(documents_router(service.library))
    app.include_router(site_router(service.site))
    app.include_router(mcp_router(Tools(service.answering, service.library)))
    app.include_router(access_router(service.keys))
    if way_in.router is not None:
        app.include_router(way_in.router)
    app.include_router(backup_router(service.backups))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return describe(app, hayhooks)

    app.mount("/", hayhooks)
    return app
