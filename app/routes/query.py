"""Questions in our own shape; `/query/run` comes here through Hayhooks."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from haystack import Document
from pydantic import BaseModel, Field

from app.answering import Answering, Asked
from app.problems import Problem
from app.questions import LONGEST, Collections, Question, RagBody
from app.replies import DONE, Reply, as_response, event
from app.telling import told
from pipelines.answer import Answer


async def query_reply(answering: Answering, question: Question) -> Reply:
    """Answer a question as JSON, or as events: `delta`s, then the `answer`, then [DONE]."""
    collections = await answering.chosen(question.collection, question.collections)
    asked = Asked.of(question.text(), collections, question.filters, question.history)
    if not question.stream:
        return (await answering.ask(asked)).model_dump_json().encode()
    return told(answering, asked, _Shape())


class _Shape:
    """`delta`s, then the `answer` or a `problem`, then [DONE]."""

    def begun(self) -> bytes:
        return b""

    def text(self, text: str) -> bytes:
        return event({"delta": text})

    def ended(self, answer: Answer) -> bytes:
        return b'data: {"answer":' + answer.model_dump_json().encode() + b"}\n\n" + DONE

    def failed(self, problem: Problem) -> bytes:
        return event({"problem": problem.document()}) + DONE


class Search(BaseModel):
    """What is looked for."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    collection: str | None = None
    collections: Collections = None
    filters: dict[str, object] | None = None
    top_k: Annotated[int, Field(ge=1, le=100)] = 10


async def search_reply(answering: Answering, body: Search) -> dict[str, object]:
    """Return the best passages as the routes and tools give them."""
    collections = await answering.chosen(body.collection, body.collections)
    question = Question(question=body.query).text()
    asked = Asked.of(question, collections, body.filters, None)
    hits, degraded = await answering.search(asked, body.top_k)
    return {"hits": [_hit(hit) for hit in hits], "collection": asked.place, "degraded": degraded}


def query_router(answering: Answering) -> APIRouter:
    router = APIRouter(tags=["questions"])

    @router.post(
        "/rag",
        summary="Ask; takes the body of 2024 too",
        response_model=None,
        responses={200: {"model": Answer}},
    )
    async def rag(body: RagBody) -> Response:
        return as_response(await query_reply(answering, body.to_question()))

    @router.post("/v1/search", summary="The best passages, without a language model")
    async def search(body: Search) -> dict[str, object]:
        return await search_reply(answering, body)

    return router


def _hit(hit: Document) -> dict[str, object]:
    several = {"collection": hit.meta["collection"]} if "collection" in hit.meta else {}
    return several | {
        "document": hit.meta["document"],
        "document_id": hit.meta["document_id"],
        "page": hit.meta["page"],
        "span": hit.meta["span"],
        "text": hit.content,
        "score": hit.score,
    }
