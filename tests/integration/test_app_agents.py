"""The Model Context Protocol over real HTTP, with its official client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.app.hanging_up import seconds_to_cut
from tests.app.process import KEY, AppProcess, until
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration

QUESTION = "What is the capital of Freedonia?"
FACT = "The capital of Freedonia is Marxville."
T = TypeVar("T")


@pytest.fixture(scope="module")
def asked(app: AppProcess) -> AppProcess:
    app.indexed("fox.txt", f"The fox jumps over the dog. {FACT}".encode())
    app.indexed("cats.txt", b"The capital of Catland is Whiskerton.", collection="cats")
    return app


def with_client(app: AppProcess, use: Callable[[ClientSession], Awaitable[T]]) -> T:
    """Return what `use` makes of an initialized session."""

    async def run() -> T:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            streamable_http_client(f"{app.url}/mcp", http_client=http) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            return await use(session)

    return asyncio.run(run())


def called(app: AppProcess, name: str, **arguments: object) -> Any:
    return with_client(app, lambda session: session.call_tool(name, arguments))


def test_an_agent_finds_three_tools_that_change_nothing(asked: AppProcess) -> None:
    tools = with_client(asked, lambda session: session.list_tools()).tools

    assert [tool.name for tool in tools] == ["ask", "search", "list"]
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert tools[0].input_schema["required"] == ["question"]


def test_ask_answers_with_citations_as_text_and_as_data(asked: AppProcess) -> None:
    result = called(asked, "ask", question=QUESTION)

    assert not result.is_error
    assert result.content[0].text == f"{FACT}\n[1] fox.txt, page 1: {FACT}"
    assert result.structured_content["citations"][0]["document"] == "fox.txt"


def test_ask_and_search_look_into_several_collections(asked: AppProcess) -> None:
    both = ["documents", "cats"]
    answer = called(asked, "ask", question="What is the capital of Catland?", collections=both)
    found = called(asked, "search", query="capital", collections=both)

    assert "Whiskerton" in answer.structured_content["answer"]
    assert answer.structured_content["citations"][0]["collection"] == "cats"
    assert {hit["collection"] for hit in found.structured_content["hits"]} == set(both)


def test_list_has_the_collections_and_their_documents(asked: AppProcess) -> None:
    listed = called(asked, "list", collection="cats").structured_content

    assert listed["collections"] == ["cats", "documents"]
    assert [document["name"] for document in listed["documents"]] == ["cats.txt"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("ask", {"question": ""}, "question"),
        ("ask", {"question": QUESTION, "collections": ["nowhere"]}, "no such collection"),
        ("search", {"query": "x", "filters": {"span": 1}}, "filters cannot be used"),
        ("list", {"limit": 0}, "limit"),
    ],
)
def test_a_call_that_cannot_be_made_is_told_to_the_agent(
    asked: AppProcess, name: str, arguments: dict[str, object], said: str
) -> None:
    result = called(asked, name, **arguments)

    assert result.is_error
    assert said in result.content[0].text


def message(method: str, identity: int | None = 1, **params: object) -> dict[str, object]:
    shape: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
    return shape if identity is None else {**shape, "id": identity}


def test_what_is_not_a_message_or_not_known_is_refused_by_the_protocols_code(
    asked: AppProcess,
) -> None:
    refused = [
        (b"[]", 400, -32600),
        (b'{"id": 1, "method": "ping"}', 400, -32600),
        (message("tools/call", name="deploy_pipeline"), 200, -32602),
        (message("tools/call", name=7), 200, -32602),
        (message("resources/list"), 200, -32601),
    ]
    with asked.client() as client:
        for body, status, code in refused:
            given = {"content": body} if isinstance(body, bytes) else {"json": body}
            response = client.post("/mcp", **given)
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        foreign = client.post("/mcp", json=message("ping"), headers={"Origin": "http://evil.test"})
        assert foreign.status_code == 403
        assert client.post("/mcp", content=b"{").status_code == 400
        assert client.get("/mcp").status_code == 405
        assert client.post("/mcp", json=message("notifications/initialized", None)).text == ""
    with asked.client(key=None) as client:
        assert client.post("/mcp", json=message("tools/list")).status_code == 401


def test_an_agent_that_hangs_up_stops_the_model_within_a_second(
    asked: AppProcess, nim: FakeNim
) -> None:
    call = message("tools/call", name="ask", arguments={"question": QUESTION})

    assert seconds_to_cut(asked, nim, "/mcp", call) < 1.0


def test_a_call_that_is_cancelled_stops_the_model(asked: AppProcess, nim: FakeNim) -> None:
    cut, before = nim.streams_cut, len(nim.posts("/chat/completions"))
    nim.token_delay, nim.answer = 0.05, "word " * 1000

    async def run() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {KEY}", "Mcp-Session-Id": "one"}
        async with httpx2.AsyncClient(base_url=asked.url, headers=headers, timeout=60) as http:
            call = message("tools/call", 5, name="ask", arguments={"question": QUESTION})
            waiting = asyncio.create_task(http.post("/mcp", json=call))
            await asyncio.to_thread(until, lambda: len(nim.posts("/chat/completions")) > before)
            cancelled = message("notifications/cancelled", None, requestId=5)
            assert (await http.post("/mcp", json=cancelled)).status_code == 202
            body: dict[str, Any] = (await waiting).json()
            return body

    try:
        refused = asyncio.run(run())
        until(lambda: nim.streams_cut > cut, 5)
    finally:
        nim.token_delay, nim.answer = 0.0, None

    assert refused["error"]["message"] == "the call was cancelled"
