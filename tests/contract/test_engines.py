"""Both engines ask the same things of the same services for the same question."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.asking import Asking
from pipelines.engines import ENGINES
from pipelines.query import build_query_pipeline
from pipelines.settings import Engine
from tests.pipelines.world import CANTEEN, MANUAL, World, a_world, query_settings

QUESTION = "How often does the feed pump need fresh oil?"
NARROW = {"field": "meta.document", "operator": "in", "value": ["manual.pdf", "other.pdf"]}
BOTH: tuple[Engine, ...] = ("fast", "stock")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as made:
        made.index("id-manual", "manual.pdf", MANUAL)
        made.index("id-canteen", "canteen.txt", CANTEEN)
        yield made


def heard(world: World, engine: Engine, *, stream: bool) -> tuple[list[Any], list[Any], Any]:
    """Return what the models were sent, what Qdrant was sent, and the answer."""
    world.nim.requests.clear()
    world.qdrant.searches.clear()

    async def once() -> Any:
        chosen = query_settings(world.nim.url, engine=engine)
        asking = Asking(build_query_pipeline(world.store, chosen), chosen, "documents")
        try:
            if not stream:
                return await asking.ask(QUESTION, filters=NARROW)
            texts: list[str] = []

            async def sink(text: str) -> None:
                texts.append(text)

            rest, told = await asking.tell(QUESTION, sink, filters=NARROW)
            return [*texts, *rest, told]
        finally:
            await asking.close()

    answer = asyncio.run(once())
    models = [(each.method, each.path, each.body) for each in world.nim.requests]
    return models, list(world.qdrant.searches), answer


@pytest.mark.parametrize("stream", [False, True])
def test_the_models_are_sent_the_same_requests(world: World, stream: bool) -> None:
    fast, stock = (heard(world, engine, stream=stream)[0] for engine in BOTH)

    assert fast == stock
    assert [path for _, path, _ in fast] == [
        "/v1/embeddings", "/v1/ranking", "/v1/chat/completions",
    ]  # fmt: skip


def test_qdrant_is_asked_for_the_same_points(world: World) -> None:
    fast, stock = (heard(world, engine, stream=False)[1] for engine in BOTH)

    (fast_vector, stock_vector) = (search.pop("query")["nearest"] for (search,) in (fast, stock))
    assert fast_vector == pytest.approx(stock_vector)
    assert fast == stock


def test_the_answers_are_the_same_but_for_their_timings(world: World) -> None:
    fast, stock = (heard(world, engine, stream=False)[2] for engine in BOTH)

    assert fast.model_dump(exclude={"timings"}) == stock.model_dump(exclude={"timings"})
    assert fast.usage == stock.usage


def test_the_streams_are_the_same_but_for_their_timings(world: World) -> None:
    (*fast, fast_answer), (*stock, stock_answer) = (
        heard(world, engine, stream=True)[2] for engine in BOTH
    )

    # Where the text is parted depends on when it came.
    assert "".join(fast) == "".join(stock)
    assert fast_answer.model_dump(exclude={"timings"}) == stock_answer.model_dump(
        exclude={"timings"}
    )


def test_these_are_all_engines() -> None:
    assert set(BOTH) == set(ENGINES)
