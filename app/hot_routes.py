"""The routes that carry the load, answered before a framework sees them.

FastAPI and Hayhooks have the same routes with the same bodies and answers behind these; the way
through Hayhooks costs 0.4 ms of CPU and more, a third of a whole question.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.answering import Answering
from app.problems import invalid_members, not_json, unreadable
from app.questions import Question, RagBody
from app.replies import Reply, send_reply
from app.routes.chat import ChatRequest, chat_reply
from app.routes.query import query_reply

Body = TypeVar("Body", bound=BaseModel)


class HotRoutes:
    """Wrap the app behind the guard; raises what the guard turns into a problem document."""

    def __init__(self, app: ASGIApp, answering: Answering) -> None:
        self._app = app
        self._answering = answering
        self._replies: dict[str, Callable[[bytes], Awaitable[Reply]]] = {
            "/query/run": self._query,
            "/rag": self._rag,
            "/v1/chat/completions": self._chat,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._replies.get(scope["path"]) if scope["type"] == "http" else None
        if reply is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        await send_reply(await reply(await _read(scope, receive)), send)

    async def _query(self, body: bytes) -> Reply:
        return await query_reply(self._answering, _parsed(Question, body))

    async def _rag(self, body: bytes) -> Reply:
        return await query_reply(self._answering, _parsed(RagBody, body).to_question())

    async def _chat(self, body: bytes) -> Reply:
        return await chat_reply(self._answering, _parsed(ChatRequest, body))


async def _read(scope: Scope, receive: Receive) -> bytes:
    kind: bytes = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise unreadable()
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            break
    if not body:
        raise invalid_members([{"at": "body", "reason": "Field required"}])
    if not _is_json(kind):
        raise invalid_members(
            [{"at": "body", "reason": "Input should be an object of application/json"}]
        )
    return body


def _is_json(kind: bytes) -> bool:
    media = kind.partition(b";")[0].strip().lower()
    return media == b"application/json" or (
        media.startswith(b"application/") and media.endswith(b"+json")
    )


def _parsed(shape: type[Body], body: bytes) -> Body:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    if any(detail["type"] == "json_invalid" for detail in details):
        raise not_json()
    raise invalid_members(
        [
            {"at": ".".join(map(str, detail["loc"])) or "body", "reason": detail["msg"]}
            for detail in details
        ]
    )
