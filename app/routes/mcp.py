"""The Model Context Protocol over streamable HTTP: JSON-RPC in, one JSON answer out.

The `mcp` package would do it too; with the cryptography that it brings for OAuth it is 18 MB, which
the image has no room for, and Hayhooks' own server offers to deploy code. No answer is streamed
and nothing is kept of a session but its name, so every replica can answer every request.
"""

import asyncio
import uuid
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.access.identity import caller
from app.problems import Problem, not_json
from app.tools import Tools, UnknownTool

# Newest first; the transport and what we use of the protocol are the same in all of them.
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
SESSION = "mcp-session-id"
INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602
INSTRUCTIONS = (
    "Questions are answered from private documents. Quote the citations that an answer carries; "
    "where `answerable` is false the documents hold no answer."
)

Shape = dict[str, Any]  # JSON of others, looked at where it is used
Running = dict[tuple[str, str], asyncio.Task[Shape]]


class Message(BaseModel):
    """A request, or a notification where `id` is not there."""

    model_config = ConfigDict(strict=True)

    jsonrpc: Annotated[str, Field(pattern="^2[.]0$")]
    id: str | int | None = None
    method: str | None = None  # an answer to us has none; we ask nothing
    params: Shape = {}


def mcp_router(tools: Tools) -> APIRouter:
    router = APIRouter(tags=["agents"])
    running: Running = {}

    @router.post("/mcp", summary="Tools for agents: ask, search, list", response_model=None)
    async def mcp(request: Request) -> Response:
        _check_origin(request)
        session = request.headers.get(SESSION, "")
        try:
            message = Message.model_validate_json(await request.body())
        except ValidationError as error:
            if any(each["type"] == "json_invalid" for each in error.errors()):
                raise not_json() from None
            msg = "one JSON-RPC message is expected"
            return JSONResponse(_failed(None, INVALID_REQUEST, msg), 400)
        if message.id is None or message.method is None:
            _notified(message, session, running)
            return Response(status_code=202)
        if message.method == "initialize":
            result = _initialized(message.params)
            headers = {SESSION: uuid.uuid4().hex}
            return JSONResponse(_answered(message.id, result), headers=headers)
        if message.method == "tools/call":
            return JSONResponse(await _called(tools, message, session, running))
        results: dict[str, Shape] = {"ping": {}, "tools/list": {"tools": tools.described()}}
        if message.method not in results:
            msg = f"there is no method {message.method[:50]!r} here"
            return JSONResponse(_failed(message.id, METHOD_NOT_FOUND, msg))
        return JSONResponse(_answered(message.id, results[message.method]))

    return router


def _check_origin(request: Request) -> None:
    """Refuse pages of other origins: a browser may be made to reach a service on its machine.

    Where nobody needs a key, a page whose name leads to this machine by now is one of them.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return
    place = origin.partition("://")[2]
    renamed = caller().via == "anonymous" and not _is_plain(place)
    if renamed or place != request.headers.get("host"):
        raise Problem(403, "foreign-origin", "Pages of other origins may not ask here")


def _is_plain(place: str) -> bool:
    """Tell whether a host is an address or this machine, which no name server can move."""
    host = urlsplit(f"//{place}").hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _initialized(params: Shape) -> Shape:
    wanted = params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "stackyard", "title": "stackyard", "version": "1"},
        "instructions": INSTRUCTIONS,
    }


async def _called(tools: Tools, message: Message, session: str, running: Running) -> Shape:
    name, arguments = message.params.get("name"), message.params.get("arguments") or {}
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return _failed(message.id, INVALID_PARAMS, "name is a string, arguments are an object")
    # A task of its own, since another request may cancel it.
    task = asyncio.create_task(tools.call(name, arguments))
    key = (session, repr(message.id))
    if session:
        running[key] = task
    try:
        await asyncio.wait([task])
        if task.cancelled():
            return _failed(message.id, INVALID_REQUEST, "the call was cancelled")
        return _answered(message.id, task.result())
    except UnknownTool:
        return _failed(message.id, INVALID_PARAMS, f"there is no tool {name[:50]!r}")
    finally:
        # Who hangs up cancels us, and the answer has nobody left to go to.
        task.cancel()
        if running.get(key) is task:
            del running[key]


def _notified(message: Message, session: str, running: Running) -> None:
    if message.method == "notifications/cancelled" and session:
        task = running.get((session, repr(message.params.get("requestId"))))
        if task is not None:
            task.cancel()


def _answered(identity: str | int | None, result: Shape) -> Shape:
    return {"jsonrpc": "2.0", "id": identity, "result": result}


def _failed(identity: str | int | None, code: int, message: str) -> Shape:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}
