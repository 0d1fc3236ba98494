"""Random documents, callers, filters and changes, and a plain word on who may see what.

The journal, its rules, the permit, the retriever and Qdrant's engine are the product's own; `may`
below is written apart from them, and is what they are held against.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from haystack import Document

from app.access.identity import Identity, Role
from app.documents.holdings import chunk_readers
from app.documents.journal import Journal, document_id
from pipelines.components.qdrant_retriever import QdrantRetriever
from pipelines.document_store import build_document_store, prepare_document_store
from pipelines.filters import checked_filters
from pipelines.passages import Passages
from pipelines.permit import Permit
from pipelines.points import Points
from pipelines.settings import StoreSettings

DIMENSION = 8
USERS = ("ann", "bo", "cy", "dee", "user:ann", "everyone")  # names that look like something else
GROUPS = ("hr", "law", "ops", "ann")
COLLECTIONS = ("alpha", "beta")
DOCUMENTS = 16
CHUNKS = 3
MOST = 64


@dataclass
class Truth:
    """A document as the test knows it."""

    id: str
    collection: str
    owner: str
    readers: set[str]
    deleted: bool = False


@dataclass
class Counts:
    """What was tried, and what came of it."""

    cases: int = 0
    found: int = 0
    refused: int = 0
    changes: int = 0
    leaks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def may(identity: Identity, document: Truth) -> bool:
    """Say whether a caller may see a document, in the words of the guide."""
    if document.deleted:
        return False
    if identity.collections is not None and document.collection not in identity.collections:
        return False
    if identity.role == "admin" or document.owner == identity.subject:
        return True
    names = {"everyone", "user:" + identity.subject}
    names |= {"group:" + group for group in identity.groups}
    return any(name in document.readers for name in names)


class World:
    """One journal and one collection of Qdrant for each of ours, at `url`."""

    def __init__(self, seed: int, url: str, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.journal = Journal(folder / f"journal-{seed}.sqlite3")
        self.settings = StoreSettings(url=url, dimension=DIMENSION)
        self.names = {name: f"leaks-{seed}-{name}" for name in COLLECTIONS}
        for name in self.names.values():
            store = build_document_store(self.settings, name)
            prepare_document_store(store)
            store.close()
        self.points = {name: Points(self.settings, real) for name, real in self.names.items()}
        self.retrievers = {
            name: QdrantRetriever(url, real, None, 30.0, 3, MOST)
            for name, real in self.names.items()
        }
        self.documents: list[Truth] = []

    async def fill(self) -> None:
        """Accept and index the documents, some with readers that their chunks do not say yet."""
        for number in range(DOCUMENTS):
            collection = self.chance.choice(COLLECTIONS)
            owner = self.chance.choice((*USERS, ""))
            readers = self._readers()
            name = f"{number % 5}.txt"
            if any(each.id == document_id(collection, name, owner) for each in self.documents):
                continue  # the same name of the same owner is the same document
            job = self.journal.accept(
                collection, name, f"{number:064x}", 1,
                owner=owner, space=owner, readers=sorted(readers),
            )  # fmt: skip
            document = Truth(job.document_id, collection, owner, readers)
            self.journal.finish_index(job, chunks=CHUNKS, pages=1)
            await self._write(document)
            self.documents.append(document)

    async def close(self) -> None:
        for name in COLLECTIONS:
            await self.points[name].close()
            await self.retrievers[name].close_async()
        self.journal.close()

    async def change(self) -> None:
        """Change who reads a document, or delete it; the store may hear of it late, or never."""
        document = self.chance.choice(self.documents)
        if document.deleted:
            return
        if self.chance.random() < 0.2:
            self.journal.request_deletion(document.id)
            document.deleted = True
            if self.chance.random() < 0.5:
                await self.points[document.collection].delete_document(document.id)
            return
        document.readers = self._readers()
        held = self.journal.set_readers(document.id, sorted(document.readers))
        assert held is not None
        if self.chance.random() < 0.7:
            readers = chunk_readers(held.owner, held.readers)
            await self.points[document.collection].set_readers(document.id, readers)
            self.journal.readers_written(document.id, held.readers)

    async def ask(self, counts: Counts) -> None:
        """Search as somebody, and hold everything that comes back against the truth."""
        identity = self._identity()
        collection = self.chance.choice(COLLECTIONS)
        filters = self._filter(3) if self.chance.random() < 0.7 else None
        mine = {each.id for each in self.documents if may(identity, each)}
        here = {each.id for each in self.documents if each.collection == collection}
        counts.cases += 1

        if not identity.sees(collection):
            counts.refused += 1
        else:
            found = await self._search(identity, collection, filters)
            self._hold(counts, identity, filters, "search", found, mine & here)
            if filters is None and not (mine & here) - self._late(identity) <= found:
                counts.lost.append(f"seed {self.seed}: {identity} does not find all of its own")
            counts.found += len(found)
        listed = {
            each.id
            for each in self.journal.documents(None, limit=MOST, offset=0, identity=identity)
        }
        if listed != mine or self.journal.count(None, identity) != len(mine):
            counts.leaks.append(
                f"seed {self.seed}: {identity} is listed {len(listed ^ mine)} wrong"
            )
        told = {each.id for each in self.documents if self._holds(identity, each.id)}
        if told != mine:
            counts.leaks.append(f"seed {self.seed}: {identity} reads {len(told ^ mine)} wrong")
        if set(self.journal.collections(identity)) != {
            each.collection for each in self.documents if each.id in mine
        }:
            counts.leaks.append(f"seed {self.seed}: {identity} sees other collections")

    def _hold(
        self, counts: Counts, identity: Identity, filters: object, where: str,
        found: set[str], allowed: set[str],
    ) -> None:  # fmt: skip
        if strangers := found - allowed:
            counts.leaks.append(
                f"seed {self.seed}: {where} of {identity} with {filters} gave {sorted(strangers)}"
            )

    async def _search(
        self, identity: Identity, collection: str, filters: dict[str, Any] | None
    ) -> set[str]:
        holdings = self.journal.holdings
        permit = Permit(
            None if identity.is_admin else identity.principals,
            lambda document_id: holdings.cites(identity, document_id),
        )
        vector = [self.chance.gauss(0, 1) for _ in range(DIMENSION)]
        done = await self.retrievers[collection].run_async(
            vector, checked_filters(filters), permit=permit
        )
        return {each.meta["document_id"] for each in cast(list[Document], done["documents"])}

    def _holds(self, identity: Identity, document_id: str) -> bool:
        return self.journal.holdings.reads(identity, document_id)

    def _late(self, identity: Identity) -> set[str]:
        """Return what the chunks do not open to this caller yet; nobody is shown too much by it."""
        return (
            {each.id for each in self.journal.unwritten(MOST)} if not identity.is_admin else set()
        )

    async def _write(self, document: Truth) -> None:
        readers = chunk_readers(document.owner, str(self.journal.document(document.id).readers))  # type: ignore[union-attr]
        ids = [f"{self.chance.getrandbits(128):032x}" for _ in range(CHUNKS)]
        chunks = [
            Document(
                id=each,
                content="text",
                meta={
                    "document_id": document.id,
                    "document": "n.txt",
                    "page": page,
                    "span": [0, 4],
                    "readers": readers,
                },
            )
            for page, each in enumerate(ids, start=1)
        ]
        vectors = np.array(
            [[self.chance.gauss(0, 1) for _ in range(DIMENSION)] for _ in ids], dtype=np.float32
        )
        points = [f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}" for i in ids]
        await self.points[document.collection].write(
            Passages(documents=chunks, ids=points, vectors=vectors)
        )
        held = self.journal.document(document.id)
        assert held is not None
        self.journal.readers_written(document.id, held.readers)

    def _readers(self) -> set[str]:
        names = ["everyone", *(f"user:{u}" for u in USERS), *(f"group:{g}" for g in GROUPS)]
        return set(self.chance.sample(names, self.chance.choice((0, 0, 1, 1, 2, 3))))

    def _identity(self) -> Identity:
        role: Role = self.chance.choice(("reader", "reader", "contributor", "admin"))
        scope = self.chance.choice((None, None, frozenset({"alpha"}), frozenset({"beta", "x"})))
        return Identity(
            subject=self.chance.choice(USERS),
            role=role,
            groups=frozenset(self.chance.sample(GROUPS, self.chance.randint(0, 2))),
            collections=scope,
            via="key",
            credential="c",
        )

    def _filter(self, depth: int) -> dict[str, Any]:
        if depth and self.chance.random() < 0.6:
            inner = [self._filter(depth - 1) for _ in range(self.chance.randint(1, 3))]
            return {"operator": self.chance.choice(("AND", "OR", "NOT")), "conditions": inner}
        some: Callable[[], str] = lambda: self.chance.choice(self.documents).id  # noqa: E731
        return self.chance.choice(
            (
                {"field": "meta.document_id", "operator": "==", "value": some()},
                {"field": "meta.document_id", "operator": "!=", "value": some()},
                {"field": "meta.document_id", "operator": "in", "value": [some(), some()]},
                {"field": "meta.document_id", "operator": "not in", "value": [some()]},
                {"field": "meta.page", "operator": ">=", "value": self.chance.randint(0, 4)},
                {"field": "meta.nothing", "operator": "!=", "value": "x"},
            )
        )


async def explore(seed: int, asks: int, url: str, folder: Path, counts: Counts) -> None:
    """Make a world, and ask and change it in turn."""
    world = World(seed, url, folder)
    try:
        await world.fill()
        for _ in range(asks):
            if world.chance.random() < 0.1:
                await world.change()
                counts.changes += 1
            await world.ask(counts)
    finally:
        await world.close()


def explored(seeds: range, asks: int, url: str, folder: Path) -> Counts:
    counts = Counts()
    for seed in seeds:
        asyncio.run(explore(seed, asks, url, folder, counts))
    return counts
