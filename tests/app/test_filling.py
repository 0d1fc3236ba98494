"""A collection that Qdrant has lost is filled again from the pages that are kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.indexing_house import NEW, OLD, House, houses_in


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Any]:
    with houses_in(tmp_path) as make:
        yield make


def lose(house: House, collection: str = "documents") -> None:
    with house.qdrant.lock:
        house.qdrant.engine.delete_collection(collection)


def look(house: House) -> None:
    """Do all there is to do, as after LOST_SECONDS."""
    house.work._looked = -1e9
    house.settle()


def test_every_document_of_a_lost_collection_is_there_again_once(houses: Any) -> None:
    house = houses(OLD)
    house.add("one.txt", "The fox jumps.")
    house.add("two.txt", "The cat sleeps.")
    house.add("other.txt", "The dog barks.", "dogs")

    lose(house)
    look(house)

    held = [house.qdrant.chunks("documents", each) for each in ("one.txt", "two.txt")]
    assert held == [1, 1]
    assert house.ledger.lost() == set()
    assert house.filling.missing == {"documents": 0}


def test_a_question_that_finds_it_gone_is_enough(houses: Any) -> None:
    house = houses(OLD)
    house.add("one.txt", "The fox jumps.")
    look(house)
    house.stores.open(["documents"])
    lose(house)

    house.stores.forget("documents")
    house.stores.open(["documents"])
    empty = house.qdrant.chunks("documents", "one.txt")
    house.settle()

    assert empty == 0
    assert house.qdrant.chunks("documents", "one.txt") == 1


def test_a_new_collection_was_not_lost(houses: Any) -> None:
    house = houses(OLD)
    house.add("one.txt", "The fox jumps.")
    look(house)

    assert house.ledger.lost() == set()
    assert house.filling.missing == {}


def test_what_is_deleted_meanwhile_does_not_come_back(
    houses: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = houses(OLD)
    gone = house.add("gone.txt", "The fox jumps.")
    house.add("kept.txt", "The cat sleeps.")
    lose(house)
    write = house.index.index_into

    def erased_first(generation: Any, document: str, *rest: Any) -> int:
        if document == gone and house.journal.document(gone) is not None:
            house.journal.request_deletion(gone, erase=True)
            house.index.remove("documents", gone)
            house.journal.finish_delete(house.journal.take("delete"))
        written: int = write(generation, document, *rest)
        return written

    monkeypatch.setattr(house.index, "index_into", erased_first)
    look(house)

    held = [house.qdrant.chunks("documents", each) for each in ("gone.txt", "kept.txt")]
    assert held == [0, 1]


def test_it_goes_on_until_no_job_runs_that_may_have_read_the_emptiness(houses: Any) -> None:
    house = houses(OLD)
    house.add("one.txt", "The fox jumps.")
    running = house.journal.accept("documents", "two.txt", "sha", 1)
    house.journal.take("index")

    lose(house)
    look(house)
    waits = house.ledger.lost()
    house.journal.close_job(running, "failed", "it does not matter")
    house.settle()

    assert waits == {"documents"}
    assert house.qdrant.chunks("documents", "one.txt") == 1
    assert house.ledger.lost() == set()


def test_vectors_that_were_built_beside_and_are_lost_do_not_answer_empty(houses: Any) -> None:
    first = houses(OLD)
    first.add("one.txt", "The fox jumps.")
    house = houses(OLD, NEW)
    beside = house.generations.beside("documents")
    running = house.journal.accept("documents", "two.txt", "sha", 1)
    house.journal.take("index")
    for _ in range(3):
        house.work.step()
    lose(house, beside.physical)
    house.stores.forget_generation(beside)

    house.journal.close_job(running, "failed", "it does not matter")
    house.settle()
    look(house)

    assert house.live() == beside.physical
    assert house.qdrant.chunks(beside.physical, "one.txt") == 1
