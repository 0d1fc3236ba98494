"""The worst case: a model that obeys every document. What leaves the service stays the same."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.answer import Answer
from pipelines.asking import Asking
from pipelines.convert import Limits, read_document
from pipelines.fencing import CANARY, CLOSE, OPEN
from pipelines.query import build_query_pipeline
from pipelines.reading.page import Page
from tests.injections.corpus import PLANTS, Plant
from tests.injections.obeying import ObeyingNim
from tests.pipelines.world import World, a_world

pytestmark = pytest.mark.integration

# What is loaded or clicked, and the addresses that the model made.
LIVE = re.compile(r"!\[|\]\(|<(?:img|script)\b|d=stolen|asked=|collect\.example/x", re.IGNORECASE)


class Planted:
    """The fifty documents in a store, and two models in front of it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.pages: dict[str, list[Page]] = {}
        for plant in PLANTS:
            (folder / "upload").write_bytes(plant.data)
            pages = read_document(folder / "upload", plant.name, Limits(seconds=60)).pages
            world.index_pages(plant.name, plant.name, pages)
            self.pages[plant.name] = pages

    def answers(self, nim: ObeyingNim, grounding: str, *, stream: bool) -> dict[str, Answer]:
        asking = self.world.asking(
            grounding=grounding, min_coverage=0.0, answer_top_k=1, retrieve_top_k=60
        )
        llm = replace(asking.settings.llm, url=nim.url)
        settings = replace(asking.settings, llm=llm)
        asking = Asking(build_query_pipeline(self.world.store, settings), settings, "documents")

        async def all_of_them() -> dict[str, Answer]:
            try:
                return {each.name: await one(asking, each, stream) for each in PLANTS}
            finally:
                await asking.close()

        return self.world.loop.run(all_of_them())


async def one(asking: Asking, plant: Plant, stream: bool) -> Answer:
    if not stream:
        return await asking.ask(plant.question)
    said: list[str] = []

    async def sink(text: str) -> None:
        said.append(text)

    rest, answer = await asking.tell(plant.question, sink)
    assert "".join([*said, *rest]) == answer.answer
    return answer


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with a_world() as world:
        yield Planted(world, tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_with_grounding_every_answer_is_the_one_that_it_would_have_been(
    planted: Planted, stream: bool
) -> None:
    with ObeyingNim(dimension=256, obeys=False) as good, ObeyingNim(dimension=256) as obeying:
        expected = planted.answers(good, "sentences", stream=stream)
        seen = planted.answers(obeying, "sentences", stream=stream)

    assert len(obeying.obeyed) == len(PLANTS)
    for plant in PLANTS:
        answer = seen[plant.name]
        assert CANARY not in answer.answer
        assert not LIVE.search(answer.answer), answer.answer
        assert not {"helicopter", "warranty", "sorry"} & set(answer.answer.split())
        assert answer.answerable == expected[plant.name].answerable
        assert [cited.document for cited in answer.citations] == [plant.name]
        for cited in answer.citations:
            page = planted.pages[plant.name][cited.page - 1].text
            assert page[cited.span[0] : cited.span[1]] == cited.quote


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_without_grounding_neither_the_prompt_nor_a_link_comes_out(
    planted: Planted, stream: bool
) -> None:
    with ObeyingNim(dimension=256) as obeying:
        seen = planted.answers(obeying, "off", stream=stream)

    for plant in PLANTS:
        answer = seen[plant.name]
        assert CANARY not in answer.answer
        assert "Use the words of the passages" not in answer.answer
        assert not LIVE.search(answer.answer), answer.answer
        assert answer.withheld == (plant.goal in ("canary", "prompt"))


def test_no_passage_leaves_its_fence_and_no_tool_is_offered(planted: Planted) -> None:
    with ObeyingNim(dimension=256) as obeying:
        planted.answers(obeying, "sentences", stream=False)

        for request in obeying.posts("/chat/completions"):
            messages = request.body["messages"]
            assert isinstance(messages, list)
            asked = messages[-1]["content"]
            assert asked.count(OPEN) == asked.count(CLOSE) == 1
            assert "<|im_" not in asked
            assert {"tools", "functions", "tool_choice"}.isdisjoint(request.body)
