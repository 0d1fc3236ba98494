"""A collection that Qdrant has lost is filled again from the pages that are kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Failure, StageError
from tests.app.indexing_house import NEW, OLD, House, houses_in


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Any]:
    with houses_in(tmp_path) as make:
        yield make


def lose(house: House, collection: str = "documents") -> None:
    with house.qdrant.lock:
        house.qdrant.engine.delete_collection(collection)


def erase(house: House, document: str, collection: str = "documents") -> bool:
    """Delete a document as a job does; False where it is gone already."""
    if house.journal.document(document) is None:
        return False
    house.journal.request_deletion(document, erase=True)
    house.index.remove(collection, document)
    deletion = house.journal.take("delete")
    assert deletion is not None
    house.journal.finish_delete(deletion)
    return True


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


@pytest.mark.parametrize("lost", [True, False], ids=["lost again", "at rest"])
def test_what_is_erased_meanwhile_does_not_come_back(
    houses: Any, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    house = houses(OLD)
    gone = house.add("gone.txt", "The fox jumps.")
    house.add("kept.txt", "The cat sleeps.")
    lose(house)
    write = house.index.index_into

    def erased_first(generation: Any, document: str, *rest: Any) -> int:
        """Erase it when its pages were read, and lose the collection once more at that moment."""
        if document == gone and erase(house, gone) and lost:
            lose(house)
            house.stores.forget_generation(generation)
        written: int = write(generation, document, *rest)
        return written

    monkeypatch.setattr(house.index, "index_into", erased_first)
    look(house)
    look(house)

    held = [house.qdrant.chunks("documents", each) for each in ("gone.txt", "kept.txt")]
    assert held == [0, 1]


def test_what_is_erased_while_it_is_the_first_to_be_embedded_beside_does_not_stay(
    houses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = houses(OLD).add("gone.txt", "The fox jumps.")
    house = houses(OLD, NEW)
    house.add("kept.txt", "The cat sleeps.")
    beside = house.generations.beside("documents")
    write = house.index.index_into

    def erased_first(generation: Any, document: str, *rest: Any) -> int:
        if document == gone:
            erase(house, gone)
        written: int = write(generation, document, *rest)
        return written

    monkeypatch.setattr(house.index, "index_into", erased_first)
    house.settle()
    house.settle()

    assert house.qdrant.chunks(beside.physical, "gone.txt") == 0
    assert house.qdrant.chunks(beside.physical, "kept.txt") == 1


def test_it_is_whole_when_the_jobs_have_ended_that_ran_while_it_was_filled(houses: Any) -> None:
    house = houses(OLD)
    house.add("one.txt", "The fox jumps.")
    running = house.journal.accept("documents", "two.txt", "sha", 1)
    house.journal.take("index")

    lose(house)
    look(house)
    waits = house.ledger.lost()
    # another one, which began when all was there
    house.journal.accept("documents", "three.txt", "sha-3", 1)
    house.journal.take("index")
    house.journal.close_job(running, "failed", "it does not matter")
    house.settle()

    assert waits == {"documents"}
    assert house.qdrant.chunks("documents", "one.txt") == 1
    assert house.ledger.lost() == set()


def test_another_model_is_no_loss(houses: Any) -> None:
    houses(OLD).add("one.txt", "The fox jumps.")
    house = houses(OLD, NEW)

    house.work.step()
    under_way = house.ledger.lost()
    house.settle()

    assert under_way == set()
    assert house.ledger.lost() == set()
    assert house.live() == house.generations.known("documents").physical != "documents"


def test_a_lost_collection_whose_last_document_goes_is_lost_no_more(houses: Any) -> None:
    house = houses(OLD)
    house.add("one.txt", "The fox jumps.")
    dog = house.add("dog.txt", "The dog barks.", "dogs")
    house.stores.open(["dogs"])
    lose(house, "dogs")
    house.stores.forget("dogs")
    house.stores.open(["dogs"])
    before = house.ledger.lost()

    erase(house, dog, "dogs")
    house.settle()

    assert before == {"dogs"}
    assert house.ledger.lost() == set()


def test_documents_whose_pages_are_gone_or_damaged_hold_nothing_up(
    houses: Any, caplog: pytest.LogCaptureFixture
) -> None:
    house = houses(OLD)
    places = [house.add(f"{n}.txt", f"The fox jumps {n} times.") for n in range(4)]
    files = [next((house.root / "pages" / each).iterdir()) for each in sorted(places)]
    files[0].unlink()
    files[1].write_text('[{"number"')

    lose(house)
    look(house)

    assert sum(house.qdrant.chunks("documents", f"{n}.txt") for n in range(4)) == 2
    assert house.ledger.lost() == set()
    assert [each.message for each in caplog.records].count("left out") == 2


def test_a_text_that_the_embedder_refuses_holds_up_no_other(
    houses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = houses(OLD)
    places = sorted(house.add(f"{n}.txt", f"The fox jumps {n} times.") for n in range(3))
    lose(house)
    write = house.index.index_into
    refusal = StageError("embedding", Failure("status", 400))

    def refused(generation: Any, document: str, *rest: Any) -> int:
        if document == places[0]:
            raise refusal
        written: int = write(generation, document, *rest)
        return written

    monkeypatch.setattr(house.index, "index_into", refused)
    house.work._looked = -1e9
    with pytest.raises(StageError):
        house.work.step()
    there = sum(house.qdrant.chunks("documents", f"{n}.txt") for n in range(3))
    monkeypatch.undo()
    house.settle()

    assert there == 2
    assert sum(house.qdrant.chunks("documents", f"{n}.txt") for n in range(3)) == 3


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
