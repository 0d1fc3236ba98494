"""`POST /query/run`: a question in, an answer with citations out, whole or as events."""

from typing import Annotated

from hayhooks import BasePipelineWrapper  # type: ignore[import-untyped]
from pydantic import Field
from starlette.responses import Response

from app.questions import LONGEST, Collections, Question, Turn
from app.replies import as_response
from app.routes.query import query_reply
from app.service import current


class PipelineWrapper(BasePipelineWrapper):  # type: ignore[misc]
    """Translate only; Hayhooks makes one at startup."""

    skip_mcp = True
    skip_a2a = True

    def setup(self) -> None:
        self.answering = current().answering

    async def run_api_async(
        self,
        question: Annotated[str, Field(min_length=1, max_length=LONGEST)],
        collection: str | None = None,
        collections: Collections = None,
        filters: dict[str, object] | None = None,
        history: list[Turn] | None = None,
        stream: bool = False,
    ) -> Response:
        """Answer a question from the documents, with citations

        Args:
            question: what is asked
            collection: where to look; the default collection without it
            collections: where to look, in several at once
            filters: {"document": "a.pdf"} or Haystack's form on document, document_id, page
            history: earlier turns, oldest first
            stream: answer as server-sent events
        """
        asked = Question(
            question=question,
            collection=collection,
            collections=collections,
            filters=filters,
            history=history,
            stream=stream,
        )
        return as_response(await query_reply(self.answering, asked))
