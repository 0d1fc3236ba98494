"""Another embedding model: built beside, switched to when complete, left again without loss."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings, SettingsProblem
from tests.app.indexing_house import NEW, OLD, houses_in


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Any]:
    with houses_in(tmp_path) as make:
        yield make


def test_the_new_vectors_answer_when_they_are_complete_and_not_before(houses: Any) -> None:
    first = houses(OLD)
    first.add("one.txt", "The fox jumps.")
    first.add("two.txt", "The cat sleeps.", "cats")
    house = houses(OLD, NEW)
    built = house.generations.beside("cats").physical
    before = (house.live(), house.live("cats"))
    running = house.journal.accept("cats", "three.txt", "sha", 1)
    house.journal.take("index")

    for _ in range(5):
        house.work.step()
    waits = house.live("cats")
    house.journal.close_job(running, "failed", "it does not matter")
    house.settle()

    assert before == ("documents", "cats")
    assert waits == "cats"
    assert house.live("cats") == built
    assert [house.qdrant.chunks(each, "two.txt") for each in ("cats", built)] == [1, 1]
    assert house.generations.size(built) == 64
    assert house.filling.missing == {"cats": 0, "documents": 0}


def test_what_is_erased_while_it_is_embedded_beside_is_in_no_vectors(
    houses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = houses(OLD).add("one.txt", "The fox jumps.")
    house = houses(OLD, NEW)
    beside = house.generations.beside("documents")
    write = house.index.index_into

    def erased_first(*given: Any) -> int:
        """Write what a deletion has removed already, as slices do that come after it."""
        house.journal.request_deletion(document, erase=True)
        house.index.remove("documents", document)
        house.journal.finish_delete(house.journal.take("delete"))
        written: int = write(*given)
        return written

    monkeypatch.setattr(house.index, "index_into", erased_first)
    house.work.step()
    late = house.qdrant.chunks(beside.physical, "one.txt")
    house.settle()

    assert late == 1
    assert house.qdrant.chunks(beside.physical, "one.txt") == 0


def test_going_back_loses_nothing_that_came_or_went_meanwhile(houses: Any) -> None:
    gone = houses(OLD).add("one.txt", "The fox jumps.")
    house = houses(OLD, NEW)
    house.settle()
    house.add("late.txt", "The owl hoots.")
    house.journal.request_deletion(gone)
    house.index.remove("documents", gone)
    house.journal.finish_delete(house.journal.take("delete"))
    house.settle()

    back = houses(OLD)

    assert back.live() == "documents"
    assert back.qdrant.chunks("documents", "late.txt") == 1
    assert back.qdrant.chunks("documents", "one.txt") == 0


def test_a_new_collection_is_embedded_by_the_model_that_answers(houses: Any) -> None:
    houses(OLD).add("one.txt", "The fox jumps.")
    house = houses(OLD, NEW)
    house.settle()

    house.add("new.txt", "The bee hums.", "bees")

    assert house.generations.size(house.live("bees")) == 64


def test_going_back_to_vectors_that_lack_documents_is_refused_with_both_sizes(
    houses: Any,
) -> None:
    houses(OLD).add("one.txt", "The fox jumps.")
    houses(OLD, NEW).settle()
    houses(NEW).add("late.txt", "The owl hoots.")

    with pytest.raises(SettingsProblem) as refused:
        houses(OLD)
    houses(OLD, NEW).settle()

    assert "RAG_EMBEDDING_DIMENSION is 384" in str(refused.value)
    assert "answers from vectors of 64 numbers" in str(refused.value)
    assert "1 documents are not in the vectors of this one" in str(refused.value)
    assert houses(OLD).qdrant.chunks("documents", "late.txt") == 1


def test_a_model_of_another_size_alone_is_refused_with_both_sizes(houses: Any) -> None:
    houses(OLD).add("one.txt", "The fox jumps.")

    with pytest.raises(SettingsProblem, match=r"is 64 .* holds vectors of 384 numbers"):
        houses(NEW)


def test_half_a_next_model_is_refused() -> None:
    with pytest.raises(ValueError, match="RAG_NEXT_EMBEDDING_MODEL: is not set"):
        Settings(
            qdrant_url="http://q",
            llm_url="http://l/v1",
            llm_model="l",
            embedding_url="http://e/v1",
            ranking_url="http://r/v1",
            ranking_model="r",
            anonymous=True,
            next_embedding_url="http://n/v1",
            **OLD,  # type: ignore[arg-type]
        )


def test_a_process_that_knows_only_the_model_before_answers_beside_one_that_has_switched(
    houses: Any,
) -> None:
    houses(OLD).add("one.txt", "The fox jumps.")
    first = houses(OLD, NEW)
    first.settle()
    first.add("late.txt", "The owl hoots.")
    first.settle()

    second = houses(OLD, leads=False)
    beside = second.stores.open(["documents"])[1]
    before = first.stores.open(["documents"])[1]
    asyncio.run(first.work.stop())
    asyncio.run(second.work.lead())

    assert (beside.name, before.name) == ("old", "new")
    assert second.live() == "documents"
    # The first one hears of it, and goes on with vectors of a model that it knows too.
    first.journal.holdings.look_again()
    assert first.stores.opened("documents") is None
    assert first.stores.open(["documents"])[1].name == "old"


def test_a_job_that_begins_after_another_process_has_switched_writes_into_what_answers_now(
    houses: Any,
) -> None:
    houses(OLD).add("one.txt", "The fox jumps.")
    first = houses(OLD, NEW)
    helper = houses(OLD, NEW, leads=False)
    helper.add("two.txt", "The cat sleeps.")
    first.settle()

    helper.add("late.txt", "The owl hoots.")

    assert first.live() != "documents"
    assert first.qdrant.chunks(first.live(), "late.txt") == 1


def test_going_back_waits_for_the_jobs_of_other_processes(
    houses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.reembedding.LOOK_SECONDS", 0.01)
    houses(OLD).add("one.txt", "The fox jumps.")
    first = houses(OLD, NEW)
    first.settle()
    first.journal.accept("documents", "slow.txt", "sha-slow", 1)
    job = first.journal.take("index", "elsewhere")
    second = houses(OLD)
    going = threading.Thread(target=lambda: asyncio.run(second.work.lead()))

    going.start()
    going.join(0.5)
    during = houses(OLD, NEW, leads=False).live()
    first.journal.close_job(job, "failed", "it does not matter")
    going.join(20)

    assert during != "documents"
    assert second.live() == "documents"
