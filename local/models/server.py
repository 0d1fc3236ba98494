"""The ASGI app of one process: the routes of its roles, health, models and metrics."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local.models.catalog import MODELS
from local.models.chat import ChatRoute
from local.models.chat_metrics import ChatMetrics
from local.models.embeddings import EmbeddingRoute
from local.models.engines import SLOTS, Engines
from local.models.files import WeightsError
from local.models.gate import Gate
from local.models.metrics import CONTENT_TYPE, Metric, render
from local.models.ranking import RankingRoute
from local.models.refusals import Refusal, json_response
from local.models.retriever import RetrieverMetrics
from local.models.route import Loaded, ModelRoute
from local.models.settings import Settings

VERSION = "0.1.0"
# Requests that take turns on the embedder, one small batch each.
RETRIEVER_TURNS = 8
LOG = logging.getLogger("local.models")


class Server:
    """Holds what the routes share, and loads the engines while the port already answers."""

    def __init__(
        self, settings: Settings, load: Callable[[], Engines], failed: Callable[[], None]
    ) -> None:
        self.settings = settings
        self.load = load
        self.failed = failed
        self.loaded = Loaded()
        self.embed_thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self.chat_threads = ThreadPoolExecutor(SLOTS, thread_name_prefix="chat")
        self.metrics: list[Metric] = []
        self.model_routes = self._model_routes()

    def _model_routes(self) -> Sequence[ModelRoute]:
        found: list[ModelRoute] = []
        settings, loaded = self.settings, self.loaded
        if "llm" in settings.roles:
            chat = ChatMetrics()
            gate = Gate(SLOTS, settings.queue)
            found.append(ChatRoute(settings, loaded, gate, self.chat_threads, chat))
            self.metrics += chat.all()
        retriever = RetrieverMetrics()
        for role, kind in (("embedding", EmbeddingRoute), ("ranking", RankingRoute)):
            if role in settings.roles:
                gate = Gate(RETRIEVER_TURNS, settings.queue)
                found.append(kind(settings, loaded, gate, self.embed_thread, retriever))
        if len(found) > (1 if "llm" in settings.roles else 0):
            self.metrics += retriever.all()
        return found

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                *(Route(route.path, route.handle, methods=["POST"]) for route in self.model_routes),
                Route("/v1/models", self.models),
                Route("/v1/metadata", self.metadata),
                Route("/v1/version", self.version),
                Route("/v1/health/live", self.live),
                Route("/v1/health/ready", self.ready),
                Route("/v1/metrics", self.scrape),
            ],
            exception_handlers={HTTPException: _no_such_route, 500: _broken},
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        """Load the engines in the background; let work in progress end before leaving."""
        loading = asyncio.create_task(self._load())
        yield
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        self.embed_thread.shutdown(cancel_futures=True)
        self.chat_threads.shutdown(cancel_futures=True)

    async def _load(self) -> None:
        try:
            engines = await asyncio.to_thread(self.load)
        except Exception as error:
            # A damaged file explains itself; anything else needs its traceback.
            LOG.error("%s", error, exc_info=not isinstance(error, WeightsError))
            self.failed()
            return
        await asyncio.sleep(self.settings.ready_delay_s)
        self.loaded.engines = engines
        LOG.info("ready: %s", ", ".join(self.settings.roles))

    async def live(self, request: Request) -> Response:
        """Answer that the process runs."""
        return json_response({"object": "health.response", "message": "live", "status": "live"})

    async def ready(self, request: Request) -> Response:
        """Answer 503 until the engines are loaded; the body has the fields of NIM 1.x and 2.x."""
        try:
            self.loaded.get()
        except Refusal as refusal:
            return json_response(
                {
                    "object": "health.response",
                    "message": refusal.message,
                    "status": "not_ready",
                    "ready": False,
                    "error": {"message": refusal.message, "code": 503},
                },
                refusal.status,
                refusal.headers,
            )
        return json_response(
            {"object": "health.response", "message": "ready", "status": "ready", "ready": True}
        )

    async def models(self, request: Request) -> Response:
        """List the served models."""
        data = [
            {
                "id": route.model,
                "object": "model",
                "created": 0,
                "owned_by": "stackyard",
                "root": MODELS[route.role].id,
                "max_model_len": route.max_tokens,
            }
            for route in self.model_routes
        ]
        return json_response({"object": "list", "data": data})

    async def metadata(self, request: Request) -> Response:
        """Say which weights are served."""
        files = {file.name: file for role in self.settings.roles for file in MODELS[role].files}
        info = [
            {"shortName": file.name, "modelUrl": f"sha256:{file.sha256}"} for file in files.values()
        ]
        return json_response({"version": VERSION, "modelInfo": info})

    async def version(self, request: Request) -> Response:
        """Say which release of the server this is, and which interface it speaks."""
        return json_response({"release": VERSION, "api": "v1"})

    async def scrape(self, request: Request) -> Response:
        """Return the metrics."""
        return PlainTextResponse(render(self.metrics), media_type=CONTENT_TYPE)


async def _no_such_route(request: Request, error: Exception) -> Response:
    """Answer unknown routes as NIM does."""
    if not isinstance(error, HTTPException):
        raise error
    return json_response({"detail": error.detail}, error.status_code, dict(error.headers or {}))


async def _broken(request: Request, error: Exception) -> Response:
    """Answer a fault of ours without its text; the traceback is in the log."""
    refusal = Refusal(500, "Internal server error")
    chat = request.url.path == ChatRoute.path
    return json_response(refusal.for_chat() if chat else refusal.for_retriever(), 500)
