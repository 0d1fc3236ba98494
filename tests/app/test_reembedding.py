"""Another embedding model: built beside, switched to when complete, left again without loss."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.documents.journal import Journal
from app.documents.ledger import Ledger
from app.documents.shelf import Shelf
from app.generations import Generations
from app.indexing import ChunkIndex
from app.reembedding import Reembedding
from app.settings import Settings, SettingsProblem
from app.sharing.locks import SharedLock
from app.sharing.turnstile import Turnstile
from app.stores import Stores
from pipelines.convert import Page
from tests.app.fake_qdrant import FakeQdrant
from tests.fakes.nim import FakeNim

OLD = {"embedding_model": "old", "embedding_dimension": 384}
NEW = {"embedding_model": "new", "embedding_dimension": 64}


class House:
    """The parts of an app that embed, on one data directory; made anew it is a restart."""

    def __init__(self, root: Path, qdrant: FakeQdrant, **models: Any) -> None:
        settings = Settings(
            qdrant_url=qdrant.url,
            llm_url="http://127.0.0.1:1/v1",
            llm_model="llm",
            ranking_url="http://127.0.0.1:1/v1",
            ranking_model="ranking",
            anonymous=True,
            data_dir=root,
            **models,
        )
        self.qdrant = qdrant
        self.journal = Journal(root / "journal.sqlite3")
        self.ledger = Ledger(root / "embedded.sqlite3")
        self.shelf = Shelf(root)
        self.generations = Generations(settings)
        self.stores = Stores(settings, self.generations, lambda: self.journal.holdings.vectors)
        self.index = ChunkIndex(settings, self.stores)
        self.work = Reembedding(
            journal=self.journal,
            shelf=self.shelf,
            index=self.index,
            stores=self.stores,
            generations=self.generations,
            ledger=self.ledger,
            turnstile=Turnstile(root),
            switching=SharedLock(root / "locks" / "vectors"),
            runner="",
            collection="documents",
        )

    def add(self, name: str, text: str, collection: str = "documents") -> str:
        job = self.journal.accept(collection, name, f"sha-{text}", len(text))
        taken = self.journal.take("index")
        assert taken is not None
        pages = [Page(number=1, text=text)]
        self.shelf.write_pages(job.document_id, job.sha256, pages)
        self.index.index(collection, job.document_id, name, pages)
        self.journal.finish_index(taken, chunks=1, pages=1)
        return job.document_id

    def settle(self) -> None:
        while self.work.step():
            pass

    def live(self, collection: str = "documents") -> str:
        return self.generations.live(collection).physical


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Any]:
    made: list[House] = []
    with FakeNim() as old, FakeNim(dimension=64) as new, FakeQdrant() as qdrant:

        def make(
            current: dict[str, Any],
            following: dict[str, Any] | None = None,
            *,
            leads: bool = True,
        ) -> House:
            urls = {"old": old.url, "new": new.url}
            given = current | {"embedding_url": urls[current["embedding_model"]]}
            for key, value in (following or {}).items():
                given |= {f"next_{key}": value, "next_embedding_url": urls["new"]}
            if following == OLD:
                given["next_embedding_url"] = urls["old"]
            house = House(tmp_path, qdrant, **given)
            made.append(house)
            house.work.check(leads=leads)
            return house

        yield make
        for house in made:
            house.index.close()
            house.ledger.close()
            house.journal.close()


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
    assert house.work.missing == {"cats": 0, "documents": 0}


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
