"""What is ours in the components: streams, prompts, documents, filters, blocking runs."""

import asyncio

import pytest
from haystack import Document
from haystack.dataclasses import ChatMessage, StreamingChunk

from pipelines.components.chat_stream import ChatStream
from pipelines.components.prompt_builder import CompiledPromptBuilder
from pipelines.found import found, rescored, said
from tests.fakes.reads import FakeReads
from tests.pipelines.world import World

HEAD = b'data: {"model":"m","choices":[{"delta":'


def texts(*reads: bytes) -> tuple[list[str], ChatStream]:
    async def all_of_it() -> list[str]:
        return [text async for text in stream]

    stream = ChatStream(FakeReads(*reads))
    return asyncio.run(all_of_it()), stream


def event(content: str) -> bytes:
    return HEAD + f'{{"content":"{content}"}},"finish_reason":null}}]}}\n\n'.encode()


def test_the_tokens_of_one_read_are_one_piece() -> None:
    pieces, stream = texts(event("The "), event("fox ") + event("jumps"), b"data: [DONE]\n\n")

    assert pieces == ["The ", "fox jumps"]
    assert stream.text == "The fox jumps"


@pytest.mark.parametrize(
    ("old", "new", "said", "finish"),
    [
        (b'"m"', b'"other"', "x", None),
        (b"null", b'"length"', "x", "length"),
        (b'"x"', b"null", "", None),
        (b'"x"', b'"x" , "role": "assistant"', "x", None),
        (b'"x"', b'"\\u0078\\n\\"}"', 'x\n"}', None),
        (b'"x"', b'"x"}}]}\n\ndata: {"choices":[],"a":[{"b":{"c":"d"', "x", None),
        (b"\n", b"\r\n", "x", None),
    ],
)
def test_events_read_together_say_what_each_says(
    old: bytes, new: bytes, said: str, finish: str | None
) -> None:
    odd = event("x").replace(old, new)

    pieces, stream = texts(event("0"), event("a") + odd + event("b"), event("c") + event("d"))

    assert pieces == ["0", f"a{said}b", "cd"]
    assert (stream.model, stream.finish_reason) == ("m", finish)


def test_an_event_may_come_cut_anywhere() -> None:
    whole = event("The fo\u0308x ") + event("jumps").replace(b"\n\n", b"\r\n\r\n")

    for cut in range(1, len(whole), 9):
        assert "".join(texts(whole[:cut], whole[cut:])[0]) == "The fo\u0308x jumps"


def test_finish_and_usage_are_kept() -> None:
    last = HEAD + b'{},"finish_reason":"length"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"completion_tokens":2}}\n\n'

    _, stream = texts(event("x"), last, usage)

    assert stream.meta() == {
        "model": "m", "index": 0, "finish_reason": "length", "usage": {"completion_tokens": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [b"data: {\n\n", b'data: {"error": "x"}\n\n', b"data: []\n\n", b'data: {"choices": [1]}\n\n'],
)
def test_what_is_no_completion_is_refused(odd: bytes) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        texts(odd)


def test_a_prompt_needs_all_its_variables() -> None:
    builder = CompiledPromptBuilder([ChatMessage.from_user("{{ question }} {{ passages }}")])

    with pytest.raises(ValueError, match="the prompt's passages is missing"):
        builder.run(question="q")


def test_a_template_cannot_leave_its_sandbox() -> None:
    builder = CompiledPromptBuilder([ChatMessage.from_user("{{ x.__class__.__mro__ }}")])

    with pytest.raises(Exception, match="unsafe"):
        builder.run(x="y")


def test_found_documents_equal_those_that_haystack_makes() -> None:
    payload = {"id": "i", "content": "c", "meta": {"page": 1}}
    made = Document(id="i", content="c", meta={"page": 1}, score=0.5)

    document = found(payload, 0.5)

    assert (document, vars(document)) == (made, vars(made))
    assert rescored(document, 0.7) == Document(id="i", content="c", meta={"page": 1}, score=0.7)
    assert document.score == 0.5


def test_pieces_of_a_reply_are_those_that_the_constructor_makes() -> None:
    piece, made = said("text"), StreamingChunk(content="text")

    assert (piece, vars(piece)) == (made, vars(made))
    assert piece.meta is not said("more").meta


def test_a_fast_pipeline_runs_without_an_event_loop_too(world: World) -> None:
    pipeline = world.asking(engine="fast").pipeline
    question = "How often does the feed pump need fresh oil?"

    outputs = pipeline.run(
        {
            "embedder": {"text": question},
            "retriever": {"filters": None},
            "ranker": {"query": question},
            "gate": {"question": question},
            "prompt": {"question": question},
        }
    )

    assert outputs["llm"]["replies"][0].text == "The feed pump needs fresh oil every 500 hours."
