"""What agents may do here, in the words of the Model Context Protocol: ask, search, list."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.access.identity import caller
from app.answering import Answering, Asked
from app.documents.journal_reads import MOST_SKIPPED
from app.documents.library import Library
from app.documents.names import check_collection
from app.failures import to_problem
from app.questions import LONGEST, Collections, Question
from app.routes.query import Search, search_reply
from pipelines.answer import Answer

Shape = dict[str, object]
Arguments = TypeVar("Arguments", bound=BaseModel)


class AskArguments(BaseModel):
    """A question to the documents."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    collections: Annotated[Collections, Field(description="where to look; `list` has all")] = None
    filters: Annotated[
        dict[str, object] | None, Field(description='for example {"document": "a.pdf"}')
    ] = None


class ListArguments(BaseModel):
    """Which documents to list."""

    model_config = ConfigDict(extra="forbid")

    collection: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=MOST_SKIPPED)] = 0


class UnknownTool(Exception):
    """There is no tool of that name."""


class Tools:
    """The three tools; none of them changes anything."""

    def __init__(self, answering: Answering, library: Library) -> None:
        self._answering = answering
        self._library = library

    def described(self) -> list[Shape]:
        """Return the tools as `tools/list` gives them."""
        return [
            _tool("ask", "Ask", "Answer a question from the documents, with citations"),
            _tool("search", "Search", "Find the passages nearest to a text, without an answer"),
            _tool("list", "List", "List the collections and the documents in them"),
        ]

    async def call(self, name: str, arguments: Shape) -> Shape:
        """Return the result of a call; what goes wrong is a result too, for the agent to read."""
        tools: dict[str, Callable[[Shape], Awaitable[tuple[str, Shape]]]] = {
            "ask": self._ask,
            "search": self._search,
            "list": self._list,
        }
        if name not in tools:
            raise UnknownTool
        try:
            text, content = await tools[name](arguments)
        except ValidationError as error:
            where = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
                for each in error.errors(include_url=False, include_context=False)
            )
            return _result(f"The arguments are not valid: {where}", None, failed=True)
        except Exception as error:
            problem = to_problem(error)
            told = f"{problem.title}: {problem.explanation}" if problem.explanation else None
            return _result(told or problem.title, problem.document(), failed=True)
        return _result(text, content)

    async def _ask(self, arguments: Shape) -> tuple[str, Shape]:
        given = AskArguments.model_validate(arguments)
        question = Question(question=given.question).text()
        collections = await self._answering.chosen(None, given.collections)
        asked = Asked.of(question, collections, given.filters, None)
        answer = await self._answering.ask(asked)
        return _told(answer), answer.model_dump(mode="json")

    async def _search(self, arguments: Shape) -> tuple[str, Shape]:
        found = await search_reply(self._answering, Search.model_validate(arguments))
        return orjson.dumps(found["hits"]).decode(), found

    async def _list(self, arguments: Shape) -> tuple[str, Shape]:
        given = ListArguments.model_validate(arguments)
        if given.collection is not None:
            check_collection(given.collection)
        documents, total = await self._library.documents(
            caller(), given.collection, limit=given.limit, offset=given.offset
        )
        listed: Shape = {
            "collections": await self._library.collections(caller()),
            "documents": [document.public() for document in documents],
            "total": total,
        }
        return orjson.dumps(listed).decode(), listed


INPUTS: dict[str, type[BaseModel]] = {
    "ask": AskArguments,
    "search": Search,
    "list": ListArguments,
}


def _tool(name: str, title: str, description: str) -> Shape:
    return {
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": INPUTS[name].model_json_schema(),
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


def _told(answer: Answer) -> str:
    """Return the answer with its sources for agents that read only text."""
    sources = [
        f"[{each.n}] {each.document}, page {each.page}: {each.quote}" for each in answer.citations
    ]
    return "\n".join([answer.answer, *sources])


def _result(text: str, content: Shape | None, *, failed: bool = False) -> Shape:
    result: Shape = {"content": [{"type": "text", "text": text}], "isError": failed}
    return result if content is None else result | {"structuredContent": content}
