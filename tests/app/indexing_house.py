"""The parts of an app that embed, over doubles of the models and of Qdrant."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.documents.journal import Journal
from app.documents.ledger import Ledger
from app.documents.shelf import Shelf
from app.filling import Filling, losses
from app.generations import Generations
from app.indexing import ChunkIndex
from app.reembedding import Reembedding
from app.settings import Settings
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
        self.root, self.qdrant = root, qdrant
        self.journal = Journal(root / "journal.sqlite3")
        self.ledger = Ledger(root / "embedded.sqlite3")
        self.shelf = Shelf(root)
        self.generations = Generations(settings)
        losing = losses(self.journal, self.ledger)
        self.stores = Stores(
            settings, self.generations, lambda: self.journal.holdings.vectors, losing
        )
        self.index = ChunkIndex(settings, self.stores)
        self.filling = Filling(self.journal, self.shelf, self.index, self.ledger)
        self.work = Reembedding(
            journal=self.journal,
            filling=self.filling,
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


@contextmanager
def houses_in(root: Path) -> Iterator[Callable[..., House]]:
    """Give what makes a house with its current model, and one to change to; it closes them."""
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
            house = House(root, qdrant, **given)
            made.append(house)
            house.work.check(leads=leads)
            return house

        yield make
        for house in made:
            house.index.close()
            house.ledger.close()
            house.journal.close()
