"""OpenAI's Responses API: one answer, whole or as its typed events; nothing is kept of it."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.answering import Answering, Asked
from app.problems import Problem, invalid
from app.questions import LONGEST, Collections, Turn
from app.replies import Reply, as_response
from app.routes.chat import DEFAULT_MODEL, collections_of
from app.telling import told
from pipelines.answer import Answer

Shape = dict[str, object]
TEXTS = ("input_text", "output_text", "text")


class Content(BaseModel):
    """A piece of an item; pieces other than text are passed over."""

    type: str
    text: str = ""


class Item(BaseModel):
    """A message of the input; items of other types (calls, reasoning) are passed over."""

    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Annotated[str, Field(max_length=20_000)] | list[Content] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type in TEXTS)
        return self.content or ""


class ResponsesRequest(BaseModel):
    """What we read of a request; instructions, tools and sampling are ours and passed over."""

    model: str = DEFAULT_MODEL
    input: Annotated[str, Field(min_length=1)] | Annotated[list[Item], Field(max_length=200)]
    stream: bool = False
    metadata: dict[str, str] | None = None
    previous_response_id: str | None = None
    conversation: object = None
    background: bool | None = None
    filters: dict[str, object] | None = None
    collections: Collections = None

    def asked(self, collections: Sequence[str]) -> Asked:
        """Take the last user message as the question and what came before as history."""
        self._refuse_what_needs_a_memory()
        said: list[Turn] = []
        question = self.input.strip() if isinstance(self.input, str) else ""
        if isinstance(self.input, list):
            messages = [item for item in self.input if item.type == "message" and item.text()]
            last = max((i for i, item in enumerate(messages) if item.role == "user"), default=None)
            question = "" if last is None else messages[last].text().strip()
            said = [
                Turn.of(user=item.role == "user", content=item.text())
                for item in messages[:last]
                if item.role in ("user", "assistant")
            ]
        if not question or len(question) > LONGEST:
            msg = f"input needs a user message of 1 to {LONGEST} characters"
            raise invalid(msg)
        return Asked.of(question, collections, self.filters, said)

    def _refuse_what_needs_a_memory(self) -> None:
        asked_for = {
            "previous_response_id": self.previous_response_id,
            "conversation": self.conversation,
            "background": self.background,
        }
        given = [name for name, value in asked_for.items() if value]
        if given:
            msg = f"{given[0]} needs answers that are kept, and none is: send the turns in input"
            raise invalid(msg)


def responses_router(answering: Answering) -> APIRouter:
    router = APIRouter(tags=["openai"])

    @router.post(
        "/v1/responses",
        summary="Ask in the shape of OpenAI's Responses; citations come as annotations",
        response_model=None,
    )
    async def responses(request: ResponsesRequest) -> Response:
        return as_response(await responses_reply(answering, request))

    return router


async def responses_reply(answering: Answering, request: ResponsesRequest) -> Reply:
    """Answer the last question of the input as a response, whole or in events."""
    collections = await collections_of(answering, request.model, request.collections)
    asked = request.asked(collections)
    shape = ResponseShape(request)
    if not request.stream:
        return orjson.dumps(shape.completed(await answering.ask(asked)))
    return told(answering, asked, ResponseEvents(shape))


class ResponseShape:
    """The members that all events of one response share."""

    def __init__(self, request: ResponsesRequest) -> None:
        self._id = f"resp_{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._model = request.model
        self._metadata = request.metadata or {}
        self.item_id = f"msg_{uuid.uuid4().hex}"

    def begun(self) -> Shape:
        return self._shape("in_progress", [])

    def completed(self, answer: Answer) -> Shape:
        item = self.item("completed", [content(answer.answer, annotations(answer))])
        asked, answered = answer.usage.prompt_tokens, answer.usage.completion_tokens
        usage = {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        }
        own = {"answerable": answer.answerable, "degraded": answer.degraded}
        done = {"completed_at": int(time.time()), "usage": usage}
        return self._shape("completed", [item]) | done | own

    def failed(self, problem: Problem) -> Shape:
        told = {"code": "server_error", "message": problem.explanation or problem.title}
        return self._shape("failed", []) | {"error": told, "problem": problem.document()}

    def item(self, status: str, parts: list[Shape]) -> Shape:
        return {
            "id": self.item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": parts,
        }

    def _shape(self, status: str, output: list[Shape]) -> Shape:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": None,
            "status": status,
            "model": self._model,
            "output": output,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": self._metadata,
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "tool_choice": "none",
            "tools": [],
            "usage": None,
        }


def content(text: str, notes: list[Shape]) -> Shape:
    """Return the one piece of text that an answer is."""
    return {"type": "output_text", "text": text, "annotations": notes, "logprobs": []}


def annotations(answer: Answer) -> list[Shape]:
    """Return the citations as OpenAI's file citations, each with our members beside theirs."""
    return [
        {
            "type": "file_citation",
            "index": len(answer.answer),
            "file_id": citation.document_id,
            "filename": citation.document,
            **citation.model_dump(mode="json", exclude={"document", "document_id"}),
        }
        for citation in answer.citations
    ]


class ResponseEvents:
    """The events of a response, counted."""

    def __init__(self, shape: ResponseShape) -> None:
        self._shape = shape
        self._count = 0
        self._place = {"item_id": shape.item_id, "output_index": 0, "content_index": 0}

    def begun(self) -> bytes:
        opened = self._shape.item("in_progress", [])
        return (
            self._event("response.created", response=self._shape.begun())
            + self._event("response.in_progress", response=self._shape.begun())
            + self._event("response.output_item.added", output_index=0, item=opened)
            + self._event("response.content_part.added", **self._place, part=content("", []))
        )

    def text(self, text: str) -> bytes:
        return self._event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def ended(self, answer: Answer) -> bytes:
        ending = _ending(self._shape, answer, self._place)
        return b"".join(self._event(kind, **members) for kind, members in ending)

    def failed(self, problem: Problem) -> bytes:
        # Clients of OpenAI end at this event.
        return self._event("response.failed", response=self._shape.failed(problem))

    def _event(self, kind: str, **members: object) -> bytes:
        data = orjson.dumps({"type": kind, "sequence_number": self._count, **members})
        self._count += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def _ending(shape: ResponseShape, answer: Answer, place: Shape) -> Iterator[tuple[str, Shape]]:
    """Yield the events behind the last text: its citations, then every level closed."""
    notes = annotations(answer)
    for number, note in enumerate(notes):
        members = {"annotation_index": number, "annotation": note}
        yield "response.output_text.annotation.added", {**place, **members}
    part = content(answer.answer, notes)
    yield "response.output_text.done", {**place, "text": answer.answer, "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}
    item = shape.item("completed", [part])
    yield "response.output_item.done", {"output_index": 0, "item": item}
    yield "response.completed", {"response": shape.completed(answer)}
