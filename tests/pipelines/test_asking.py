"""Questions to answers with citations, against real HTTP and the real in-memory engine."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from haystack.document_stores.types import DuplicatePolicy

from pipelines.answer import Answer
from pipelines.asking import Sink
from pipelines.errors import StageError
from pipelines.filters import FilterRefused
from pipelines.follow_up import Turn
from pipelines.prompts import NOT_ANSWERED
from tests.pipelines.world import CANTEEN, MANUAL, World, a_world

OIL = "How often does the feed pump need fresh oil?"


@pytest.fixture(params=["fast", "stock"])
def empty_world(request: pytest.FixtureRequest) -> Iterator[World]:
    with a_world(request.param) as world:
        yield world


def ask(world: World, question: str, *, setup: dict[str, Any] | None = None, **more: Any) -> Answer:
    async def once() -> Answer:
        asking = world.asking(**(setup or {}))
        try:
            return await asking.ask(question, **more)
        finally:
            await asking.close()

    return asyncio.run(once())


def into(texts: list[str]) -> Sink:
    async def sink(text: str) -> None:
        texts.append(text)

    return sink


def parts(world: World, question: str, **setup: Any) -> list[str | Answer]:
    async def all_of_it() -> list[str | Answer]:
        asking = world.asking(**setup)
        try:
            texts: list[str] = []
            rest, answer = await asking.tell(question, into(texts))
            return [*texts, *rest, answer]
        finally:
            await asking.close()

    return asyncio.run(all_of_it())


def test_an_answer_cites_its_document_page_and_words(world: World) -> None:
    answer = ask(world, OIL)

    assert answer.answerable
    assert answer.answer == "The feed pump needs fresh oil every 500 hours."
    first = answer.citations[0]
    assert (first.n, first.document, first.document_id, first.page) == (
        1,
        "manual.pdf",
        "id-manual",
        1,
    )
    assert MANUAL[0][first.span[0] : first.span[1]] == first.quote
    assert "every 500 hours" in first.quote
    assert (answer.model, answer.collection) == ("fake", "documents")


def test_the_answers_json_has_the_promised_fields_only(world: World) -> None:
    found = ask(world, OIL).model_dump(mode="json")

    assert list(found) == [
        "answer", "answerable", "citations", "timings", "model", "collection", "degraded",
    ]  # fmt: skip
    assert list(found["timings"]) == ["embed", "retrieve", "rerank", "first_token", "total"]
    assert all(seconds > 0 for seconds in found["timings"].values())


def test_usage_is_what_the_model_counted(world: World) -> None:
    usage = ask(world, OIL).usage

    assert usage.completion_tokens == 9
    assert usage.prompt_tokens > 0


def test_a_first_question_costs_one_call_of_each_model(world: World) -> None:
    world.nim.requests.clear()

    ask(world, OIL)

    asked = [request.path for request in world.nim.requests]
    assert asked == ["/v1/embeddings", "/v1/ranking", "/v1/chat/completions"]
    assert world.nim.requests[0].body["input_type"] == "query"


def test_the_best_passage_stands_last_in_the_prompt(world: World) -> None:
    ask(world, OIL, setup={"min_coverage": 0.0})

    messages: Any = world.nim.posts("/chat/completions")[-1].body["messages"]
    prompt = messages[-1]["content"]
    assert prompt.index("canteen") < prompt.index("feed pump needs") < prompt.index("Question:")


def test_what_no_document_speaks_of_is_not_answered_and_no_model_is_asked(world: World) -> None:
    answer = ask(world, "Who painted the Mona Lisa in Florence?")

    assert (answer.answerable, answer.answer, answer.citations) == (False, NOT_ANSWERED, [])
    assert world.nim.posts("/chat/completions") == []


def test_nothing_is_answered_from_an_empty_collection(empty_world: World) -> None:
    assert ask(empty_world, OIL).answer == NOT_ANSWERED


@pytest.mark.parametrize(
    "invented",
    [
        "The feed pump needs fresh oil every 900 hours.",
        "The feed pump was built in Hamburg by engineers.",
        "The feed pump needs fresh oil.",
        # Every word stands in the passage, but where it speaks of something else.
        "The feed pump oil is burnt in the plant next door.",
        "Grade ISO 46 oil is used in the plant next door to the feed pump.",
        "",
    ],
)
def test_what_the_passages_do_not_hold_gives_way_to_a_quote(world: World, invented: str) -> None:
    world.nim.answer = invented

    answer = ask(world, OIL)

    assert answer.source == "quote"
    assert answer.answer.startswith("The feed pump needs fresh oil every 500 hours.")
    assert answer.citations[0].page == 1


def test_an_answer_stops_before_its_first_unsupported_sentence(world: World) -> None:
    world.nim.answer = "The pump needs oil every 500 hours. Call Peter about it. Use grade ISO 46."

    answer = ask(world, OIL)

    assert answer.answer == "The pump needs oil every 500 hours."


def test_a_sentence_is_not_said_twice(world: World) -> None:
    world.nim.answer = "Fresh oil every 500 hours. " * 5

    assert ask(world, OIL).answer == "Fresh oil every 500 hours."


def test_without_grounding_the_model_is_believed(world: World) -> None:
    world.nim.answer = "Ask Peter about the oil."

    answer = ask(world, OIL, setup={"grounding": "off"})

    assert answer.answer == "Ask Peter about the oil."
    assert answer.citations[0].page == 1


def test_the_streamed_text_joined_is_the_answer(world: World) -> None:
    world.nim.answer = "Fresh oil every 500 hours. Use oil of grade ISO 46. Peter knows."

    *texts, last = parts(world, OIL)

    assert isinstance(last, Answer)
    assert last.answer == "Fresh oil every 500 hours. Use oil of grade ISO 46."
    assert "".join(str(text) for text in texts) == last.answer


@pytest.mark.parametrize(
    "said", ["The pump needs oil every 900 hours.", "The pump needs oil every 500 hours. In Rome."]
)
def test_a_stream_that_loses_its_support_is_still_its_answer(world: World, said: str) -> None:
    world.nim.answer = said

    *texts, last = parts(world, OIL)

    assert isinstance(last, Answer)
    assert "".join(str(text) for text in texts) == last.answer
    assert not any(word in last.answer for word in ("900", "Rome"))
    assert (last.answerable, last.citations[0].page) == (True, 1)


def test_a_sentence_that_comes_again_is_not_streamed_again(world: World) -> None:
    world.nim.answer = "Fresh oil every 500 hours. " * 5

    *texts, _ = parts(world, OIL)

    assert "".join(str(text) for text in texts) == "Fresh oil every 500 hours."


def test_a_refusal_is_streamed_too(world: World) -> None:
    *texts, last = parts(world, "Who painted the Mona Lisa in Florence?")

    assert isinstance(last, Answer)
    assert texts == [NOT_ANSWERED] == [last.answer]


def test_a_consumer_that_leaves_hangs_up_on_the_model(world: World) -> None:
    world.nim.answer = "Fresh oil every 500 hours. " + "Use oil of grade ISO 46 only. " * 40
    world.nim.token_delay = 0.02

    async def leave_early() -> None:
        asking = world.asking()
        texts: list[str] = []
        telling = asyncio.create_task(asking.tell(OIL, into(texts)))
        while not texts:
            await asyncio.sleep(0.01)
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling
        assert "Fresh oil every 500 hours.".startswith(texts[0])
        await asking.close()

    asyncio.run(leave_early())

    deadline = time.monotonic() + 5
    while not world.nim.streams_cut and time.monotonic() < deadline:
        time.sleep(0.01)
    assert world.nim.streams_cut == 1
    assert world.nim.tokens_sent < 60


def test_a_filter_narrows_the_search(world: World) -> None:
    only = {"field": "meta.document", "operator": "==", "value": "canteen.txt"}

    fish = ask(world, "What fish is there on Fridays?", filters=only)
    oil = ask(world, OIL, filters=only)

    assert {citation.document for citation in fish.citations} == {"canteen.txt"}
    assert not oil.answerable


def test_a_filter_on_hidden_fields_is_refused_before_anything_is_sent(world: World) -> None:
    world.nim.requests.clear()

    with pytest.raises(FilterRefused):
        ask(world, OIL, filters={"field": "meta.span", "operator": "==", "value": 1})

    assert world.nim.requests == []


def test_an_empty_question_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="question is empty"):
        ask(world, "  \n")


def test_a_follow_up_is_searched_with_what_it_points_back_to(world: World) -> None:
    history = [Turn(role="user", content=OIL), Turn(role="assistant", content="Every 500 hours.")]

    answer = ask(world, "And which grade of it?", history=history)

    assert world.nim.posts("/embeddings")[-1].body["input"] == [f"{OIL} And which grade of it"]
    assert answer.citations[0].page == 1


@pytest.mark.parametrize(
    ("path", "stage", "endpoint"),
    [
        ("/embeddings", "embedding", "embedding"),
        ("/chat/completions", "generation", "llm"),
    ],
)
def test_a_failing_model_is_named_and_its_words_are_kept_back(
    world: World, path: str, stage: str, endpoint: str
) -> None:
    world.nim.fail_next(503, times=9, path=path)

    with pytest.raises(StageError) as caught:
        ask(world, OIL)

    error = caught.value
    assert (error.stage, error.endpoint, error.status) == (stage, endpoint, 503)
    assert error.retryable
    assert str(error) == f"{stage} failed: {endpoint} answered with status 503"


def test_without_its_ranker_an_answer_comes_in_the_order_of_the_search_and_says_so(
    world: World,
) -> None:
    world.nim.fail_next(503, times=9, path="/ranking")

    degraded = ask(world, OIL)
    world.nim._faults.clear()
    whole = ask(world, OIL)

    assert (degraded.degraded, degraded.citations[0].page) == (["ranking"], 1)
    assert degraded.answer == whole.answer == "The feed pump needs fresh oil every 500 hours."
    assert whole.degraded == []


def test_a_ranker_that_refuses_the_request_is_not_passed_over(world: World) -> None:
    world.nim.fail_next(401, path="/ranking")

    with pytest.raises(StageError) as caught:
        ask(world, OIL)

    assert (caught.value.stage, caught.value.status) == ("ranking", 401)


def test_passing_failures_of_embedder_and_ranker_are_tried_again(world: World) -> None:
    world.nim.fail_next(503, path="/embeddings")
    world.nim.fail_next(429, path="/ranking")

    assert ask(world, OIL, setup={"attempts": 2}).answerable


def test_a_wrong_answer_of_a_service_is_named(world: World) -> None:
    world.nim.answer_next_with({"hello": "world"}, path="/embeddings")

    with pytest.raises(StageError) as caught:
        ask(world, OIL)

    assert (caught.value.kind, caught.value.retryable) == ("answer", False)


def test_a_chunk_that_is_not_its_page_text_is_not_cited(world: World) -> None:
    forged = [
        replace(chunk, meta={**chunk.meta, "span": [0, 5]}, embedding=[1.0] * 256)
        for chunk in world.store.filter_documents()
    ]
    world.store.write_documents(forged, policy=DuplicatePolicy.OVERWRITE)

    answer = ask(world, OIL, setup={"min_similarity": -1.0, "min_coverage": 0.0})

    assert (answer.answerable, answer.citations) == (False, [])


def test_the_canteen_is_found_among_pumps(world: World) -> None:
    answer = ask(world, "When does the canteen open?")

    quote = answer.citations[0]
    assert CANTEEN[0][quote.span[0] : quote.span[1]] == quote.quote
    assert "eleven" in answer.answer
