"""The OpenAI shapes: chat completions, streamed or whole, and the list of models."""

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.answering import Answering, Asked
from app.problems import Problem, invalid, not_found
from app.questions import LONGEST, Collections, Turn
from app.replies import DONE, Reply, as_response, event
from app.telling import told
from pipelines.answer import Answer

DEFAULT_MODEL = "stackyard"


class Part(BaseModel):
    """A piece of a message; pieces other than text are passed over."""

    type: str
    text: str = ""


class Message(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str, Field(max_length=20_000)] | list[Part] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class StreamOptions(BaseModel):
    """What a stream ends with."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """What we read of a chat request; sampling is ours, so its other members are passed over."""

    model: str = DEFAULT_MODEL
    messages: Annotated[list[Message], Field(min_length=1, max_length=200)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    filters: dict[str, object] | None = None
    collections: Collections = None

    def asked(self, collections: Sequence[str]) -> Asked:
        """Take the last user message as the question and what came before as history."""
        last = max(
            (index for index, message in enumerate(self.messages) if message.role == "user"),
            default=None,
        )
        question = "" if last is None else self.messages[last].text().strip()
        if not question or len(question) > LONGEST:
            msg = f"messages need a user message of 1 to {LONGEST} characters"
            raise invalid(msg)
        history = [
            Turn.of(user=message.role == "user", content=message.text())
            for message in self.messages[:last]
            if message.role in ("user", "assistant") and message.text()
        ]
        return Asked.of(question, collections, self.filters, history)


def chat_router(answering: Answering) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.get("/v1/models", summary="The collections, as models")
    async def models() -> dict[str, object]:
        names = [DEFAULT_MODEL, *await answering.collections()]
        return {"object": "list", "data": [_model(name) for name in names]}

    @router.get("/v1/models/{model}", summary="One model")
    async def model(model: str) -> dict[str, object]:
        if model != DEFAULT_MODEL and model not in await answering.collections():
            msg = "There is no such model"
            raise not_found(msg)
        return _model(model)

    @router.post(
        "/v1/chat/completions",
        summary="Ask in the OpenAI shape; citations come as an extra member",
        response_model=None,
    )
    async def chat(request: ChatRequest) -> Response:
        return as_response(await chat_reply(answering, request))

    return router


async def chat_reply(answering: Answering, request: ChatRequest) -> Reply:
    """Answer a conversation's last question as a completion, whole or in chunks."""
    collections = await collections_of(answering, request.model, request.collections)
    asked = request.asked(collections)
    head = Head(request.model)
    if not request.stream:
        return orjson.dumps(head.completion(await answering.ask(asked)))
    usage = request.stream_options is not None and request.stream_options.include_usage
    return told(answering, asked, _Shape(head, usage=usage))


async def collections_of(
    answering: Answering, model: str, collections: Sequence[str] | None
) -> Sequence[str]:
    """Return the collections that are named, or the one behind a model; raise a Problem."""
    if collections is not None or model == DEFAULT_MODEL:
        return await answering.chosen(None, collections)
    try:
        return await answering.chosen(model, None)
    except Problem:
        raise Problem(
            404, "unknown-model", "There is no such model", "GET /v1/models lists them"
        ) from None


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "stackyard"}


def _evidence(answer: Answer) -> dict[str, object]:
    """Return what an answer has beyond the OpenAI shape."""
    citations = [citation.model_dump(mode="json") for citation in answer.citations]
    return {"citations": citations, "degraded": answer.degraded}


def _usage(answer: Answer) -> dict[str, int]:
    asked, answered = answer.usage.prompt_tokens, answer.usage.completion_tokens
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }


class Head:
    """The members that all parts of one completion share."""

    def __init__(self, model: str) -> None:
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._model = model

    def completion(self, answer: Answer) -> dict[str, object]:
        message = {"role": "assistant", "content": answer.answer, **_evidence(answer)}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self._shape("chat.completion", [choice]) | {"usage": _usage(answer)}

    def chunk(self, delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._shape("chat.completion.chunk", [choice])

    def usage(self, answer: Answer) -> dict[str, object]:
        return self._shape("chat.completion.chunk", []) | {"usage": _usage(answer)}

    def _shape(self, kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }


class _Shape:
    """Chunks of one completion; the last one carries the evidence."""

    def __init__(self, head: Head, *, usage: bool) -> None:
        self._head = head
        self._usage = usage

    def begun(self) -> bytes:
        return event(self._head.chunk({"role": "assistant", "content": ""}))

    def text(self, text: str) -> bytes:
        return event(self._head.chunk({"content": text}))

    def ended(self, answer: Answer) -> bytes:
        last = event(self._head.chunk({}, "stop") | _evidence(answer))
        return last + (event(self._head.usage(answer)) if self._usage else b"") + DONE

    def failed(self, problem: Problem) -> bytes:
        # Clients of OpenAI read `error` in a stream.
        return event({"error": problem.document()}) + DONE
