"""What the three model routes share: readiness, limits, schema, model name, queue and counts."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from local.models.catalog import MODELS, Role
from local.models.engines import Engines
from local.models.faults import Faults
from local.models.fields import Fields, parse_object
from local.models.gate import Gate
from local.models.refusals import ClientGone, Refusal, json_response
from local.models.settings import Settings

T = TypeVar("T")
MAX_BODY_BYTES = 32 * 1024 * 1024
# What nginx calls a client that closed the connection; nobody reads it.
CLIENT_GONE = 499


@dataclass
class Loaded:
    """The engines, once they are loaded."""

    engines: Engines | None = field(default=None)

    def get(self) -> Engines:
        """Return the engines, or refuse because they are still loading."""
        if self.engines is None:
            raise Refusal(503, "The model is loading")
        return self.engines


class ModelRoute(ABC):
    """Answers one POST route of one role."""

    role: Role
    path: str

    def __init__(self, settings: Settings, loaded: Loaded, gate: Gate) -> None:
        self.settings = settings
        self.loaded = loaded
        self.gate = gate
        self.faults = Faults(settings)
        self.names = settings.names(self.role)
        self.max_tokens = MODELS[self.role].max_tokens

    @property
    def model(self) -> str:
        """Return the name that answers and metrics carry."""
        return self.names[0]

    @abstractmethod
    async def run(self, request: Request, fields: Fields) -> Response:
        """Answer a request whose body is a JSON object."""

    @abstractmethod
    def shape(self, refusal: Refusal) -> Mapping[str, object]:
        """Return the error body that this route's clients read."""

    @abstractmethod
    def count_failure(self, refusal: Refusal) -> None:
        """Count a request that was not answered."""

    async def handle(self, request: Request) -> Response:
        """Answer a request, or say in the route's own shape why not."""
        try:
            # Read before anything else: a connection with an unread body cannot be used again.
            body = await _read_body(request)
            self.loaded.get()
            self.faults.fail()
            return await self.run(request, Fields(parse_object(body)))
        except Refusal as refusal:
            self.count_failure(refusal)
            return json_response(self.shape(refusal), refusal.status, refusal.headers)
        except (ClientGone, ClientDisconnect):
            return Response(status_code=CLIENT_GONE)

    def check_model(self, name: str) -> None:
        """Refuse a model that is not served here."""
        if name not in self.names:
            raise Refusal(404, f"The model `{name}` does not exist. Served here: {self.model}")


async def _read_body(request: Request) -> bytes:
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MAX_BODY_BYTES:
            raise Refusal(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(chunks)


async def unless_hung_up(request: Request, work: Coroutine[object, object, T]) -> T:
    """Return the work's result; stop the work as soon as the client closes the connection."""
    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        for task in (working, listening):
            task.cancel()
        await asyncio.gather(working, listening, return_exceptions=True)


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
