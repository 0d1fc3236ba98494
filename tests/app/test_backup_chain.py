"""A backup and those that continue it: nothing is lost between them, and no hole is overlooked."""

import asyncio
import hashlib
import tarfile
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from app.access.key_store import KeyStore
from app.backup.archive import BadArchive, Manifest
from app.backup.backups import Backups, Restored
from app.backup.chain import LENGTH, several_files
from app.backup.held import Held
from app.documents.holdings import chunk_readers
from app.documents.indexer import Indexer
from app.documents.journal import Journal
from app.documents.ledger import Ledger
from app.documents.library import Library
from app.documents.records import Job
from app.documents.shelf import Shelf
from app.documents.work import Work
from app.filling import losses
from app.generations import Generations
from app.models import reading_limits
from app.problems import Problem
from app.settings import Settings
from app.sharing.presence import Presence
from app.sharing.turnstile import Turnstile
from app.stores import Stores
from pipelines.convert import Page
from tests.app.fake_qdrant import FakeQdrant

DIMENSION = 4
NAMES, CONTENTS = range(3), range(4)
READERS: list[list[str]] = [["everyone"], ["group:hr"], ["user:bo"], []]
BROKEN = 3  # the content that no version comes of
Rows = dict[str, list[tuple[object, ...]]]


class House:
    """What of an app backups work on, on a folder and a Qdrant of its own; jobs are run by hand."""

    def __init__(self, root: Path, qdrant: FakeQdrant) -> None:
        nowhere = "http://127.0.0.1:1/v1"
        told = Settings(
            qdrant_url=qdrant.url,
            llm_url=nowhere,
            llm_model="llm",
            ranking_url=nowhere,
            ranking_model="ranking",
            embedding_url=nowhere,
            embedding_model="embedding",
            embedding_dimension=DIMENSION,
            anonymous=True,
            data_dir=root,
            min_free_mb=0,
        )
        self.qdrant, self.root = qdrant, root
        self.journal, self.shelf = Journal(root / "journal.sqlite3"), Shelf(root)
        self.keys = KeyStore(root / "keys.sqlite3")
        self.ledger = Ledger(root / "embedded.sqlite3")
        losing = losses(self.journal, self.ledger)
        self.stores = Stores(told, Generations(told), lambda: self.journal.holdings.vectors, losing)
        turnstile = Turnstile(root)
        work = Work(
            self.journal, self.shelf, cast("Any", None), limits=reading_limits(told, ocr=False)
        )
        indexer = Indexer(
            self.journal, self.shelf, work, jobs=1, turnstile=turnstile, runner="here"
        )
        library = Library(
            journal=self.journal,
            shelf=self.shelf,
            indexer=indexer,
            collection="documents",
            min_free_bytes=0,
        )
        self.backups = Backups(
            told,
            library,
            self.keys,
            self.stores,
            presence=Presence(root),
            turnstile=turnstile,
            lost=self.ledger.lost,
        )

    def close(self) -> None:
        self.ledger.close()
        self.journal.close()
        self.keys.close()

    def accept(self, name: int, content: int, collection: str = "documents") -> Job:
        upload, text = self.shelf.new_upload(), f"content {content}".encode()
        upload.write_bytes(text)
        sha256 = hashlib.sha256(text).hexdigest()
        self.shelf.keep(upload, sha256)
        return self.journal.accept(collection, f"{name}.txt", sha256, len(text))

    def run(self) -> None:
        """Do a job, as app/documents/work.py has it."""
        if job := self.journal.take("delete"):
            self._write(job, None)
            self.journal.finish_delete(job)
        elif job := self.journal.take("index"):
            held = self.journal.document(job.document_id)
            broken = job.sha256 == hashlib.sha256(f"content {BROKEN}".encode()).hexdigest()
            if broken and job.attempts == 1:
                self._write(job, job.sha256, beside=True)
                self.journal.retry(job, "not now", stage=None, delay=-1)
            elif held is None:
                self.journal.close_job(job, "cancelled", "it was deleted")
            elif broken:
                self._write(job, held.sha256)
                self.journal.close_job(job, "failed", "it is broken")
            else:
                pages = [Page(number=1, text=job.sha256)]
                self.shelf.write_pages(job.document_id, job.sha256, pages)
                self._write(job, job.sha256)
                self.journal.finish_index(job, chunks=2, pages=1)
        if job:
            contents = self.journal.contents_of(job.document_id)
            self.shelf.release(job.document_id, contents, self.journal.needed)

    def _write(self, job: Job, sha256: str | None, *, beside: bool = False) -> None:
        self.stores.open([job.collection])
        match = models.MatchValue(value=job.document_id)
        ours = models.Filter(must=[models.FieldCondition(key="meta.document_id", match=match)])
        held = self.journal.document(job.document_id)
        readers = [] if held is None else chunk_readers(held.owner, held.readers)
        meta = {"document_id": job.document_id, "readers": readers}
        points = [
            models.PointStruct(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job.document_id}{sha256}{part}")),
                vector=[float(part == at) for at in range(DIMENSION)],
                payload={"content": f"{sha256} {part}", "meta": meta},
            )
            for part in range(2)
            if sha256 is not None
        ]
        with self.qdrant.lock:
            if not beside:
                self.qdrant.engine.delete(job.collection, models.FilterSelector(filter=ours))
            if points:
                self.qdrant.engine.upsert(job.collection, points)

    def tell_chunks(self) -> None:
        """Write readers into chunks, as the indexer does by and by."""
        for document in self.journal.unwritten():
            match = models.MatchValue(value=document.id)
            condition = models.FieldCondition(key="meta.document_id", match=match)
            readers = {"readers": chunk_readers(document.owner, document.readers)}
            with self.qdrant.lock:
                self.qdrant.engine.set_payload(
                    document.collection, readers, models.Filter(must=[condition]), "meta"
                )
            self.journal.readers_written(document.id, document.readers)

    def take(self, since: str | None = None) -> tuple[str, bytes] | None:
        """Return the mark of a backup and its bytes."""

        async def take() -> Held | None:
            return await self.backups.take(since)

        held = asyncio.run(take())
        if held is None:
            return None
        with closing(held):
            return held.manifest.mark, b"".join(held.pieces())

    def restore(self, *files: bytes) -> Restored:
        body = b"".join(len(each).to_bytes(LENGTH, "big") + each for each in files)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 5000):
                yield body[start : start + 5000]

        async def restore() -> Restored:
            return await self.backups.restore(pieces(), declared=len(body), several=True)

        return asyncio.run(restore())

    def files(self) -> list[str]:
        """Return every file by its kind, and an original without the folder that it is in."""
        originals = [f"originals/{path.name}" for path in (self.root / "originals").glob("*/*")]
        pages = [f"pages/{path.parent.name}/{path.name}" for path in self.root.glob("pages/*/*")]
        return sorted([*originals, *pages])

    def state(self) -> Rows:
        """Return all that answers depend on."""
        found: Rows = {}
        with closing(Journal(self.root / "journal.sqlite3")) as journal:
            for table in ("documents", "jobs"):
                rows = journal._db.execute(f"select * from {table} order by 1")
                found[table] = [tuple(row) for row in rows]
        found["keys"] = [(key.id, key.revoked) for key in self.keys.all()]
        needed = self.journal.needed()
        wanted = {sha256 for _, sha256 in needed} | {f"{one}/{other}.json" for one, other in needed}
        found["files"] = [(file,) for file in self.files() if file.partition("/")[2] in wanted]
        # what waits for its deletion is in no backup that can do without
        known = {(row[1], row[0]) for row in found["documents"] if not row[7]}
        for collection in ("documents", "other"):
            with self.qdrant.lock:
                if not self.qdrant.engine.collection_exists(collection):
                    found[f"in {collection}"] = []
                    continue
                points, _ = self.qdrant.engine.scroll(collection, limit=1000, with_vectors=True)
            found[f"in {collection}"] = sorted(
                (str(each.id), str(each.payload), str(each.vector))
                for each in points
                if each.payload and (collection, each.payload["meta"]["document_id"]) in known
            )
        return found


@contextmanager
def house(folder: Path | None = None) -> Iterator[House]:
    with tempfile.TemporaryDirectory(dir=folder) as root, FakeQdrant() as qdrant:
        made = House(Path(root), qdrant)
        try:
            yield made
        finally:
            made.close()


def changes() -> st.SearchStrategy[list[tuple[object, ...]]]:
    name, content = st.sampled_from(NAMES), st.sampled_from(CONTENTS)
    collection = st.sampled_from(["documents", "other"])
    put = st.tuples(st.just("put"), name, content, collection)
    return st.lists(
        st.one_of(
            put,
            put,
            st.tuples(st.just("run"), st.integers(1, 4)),
            st.tuples(st.just("delete"), name),
            st.tuples(st.just("readers"), name, st.sampled_from(READERS)),
            st.tuples(st.just("tell")),
            st.tuples(st.just("hold"), name, st.booleans()),
            st.tuples(st.just("key")),
            st.tuples(st.just("cut")),
            st.tuples(st.just("whole")),
        ),
        min_size=4,
        max_size=16,
    )


def do(there: House, change: tuple[object, ...]) -> None:
    """Do one change; what it is for may not be there."""
    kind, *given = change
    held = there.journal.documents(None, limit=9, offset=0)
    chosen = [each for each in held if given and each.name == f"{given[0]}.txt"]
    match kind:
        case "put":
            there.accept(*cast("tuple[int, int, str]", given))
            there.run()
        case "run":
            for _ in range(cast("int", given[0])):
                there.run()
        case "delete":
            for each in chosen:
                there.journal.request_deletion(each.id)
        case "readers":
            for each in chosen:
                there.journal.set_readers(each.id, cast("list[str]", given[1]))
        case "tell":
            there.tell_chunks()
        case "hold":
            for each in chosen:
                there.journal.quarantine(each.id, bool(given[1]))
        case "key":
            key, _ = there.keys.create(
                subject="ann",
                role="reader",
                groups=(),
                collections=None,
                rate=None,
                expires=None,
                created_by="",
            )
            if len(there.keys.all()) % 2:
                there.keys.revoke(key.id)


@given(changes(), st.data())
@settings(max_examples=12, deadline=None)
def test_a_chain_brings_back_each_of_its_moments(
    done: list[tuple[object, ...]], data: st.DataObject
) -> None:
    chain: list[bytes] = []
    states: list[Rows] = []
    mark: str | None = None
    with house() as there:
        for change in [*done, ("cut",)]:
            do(there, change)
            if change[0] not in ("cut", "whole"):
                continue
            if change[0] == "whole":
                mark, chain, states = None, [], []
            taken = there.take(mark)
            if taken is None:
                assert there.state() == states[-1]
                continue
            mark = taken[0]
            chain.append(taken[1])
            states.append(there.state())

    if states[-1]["documents"]:
        until = data.draw(st.sampled_from([len(chain), *range(1, len(chain) + 1)]))
        with house() as here:
            here.restore(*chain[:until])
            assert here.state() == states[until - 1]
            assert here.files() == [file for (file,) in states[until - 1]["files"]]


def test_only_what_the_one_before_did_not_have_is_sent() -> None:
    with house() as there:
        for name in (0, 1, 2):
            do(there, ("put", name, name, "documents"))
        there.accept(1, 3, "other")
        there.accept(2, 2, "other")
        first = there.take()
        assert first is not None
        do(there, ("readers", 0, ["user:bo"]))
        there.run()
        there.accept(0, 1, "other")

        second = there.take(first[0])

        assert second is not None
        with tarfile.open(fileobj=BytesIO(second[1])) as tar:
            names = tar.getnames()
        # what waits, and what changed without new bytes, was in the first one
        came = hashlib.sha256(b"content 1").hexdigest()
        assert [each.rpartition("/")[2] for each in names if "originals" in each] == [came]


def test_a_hole_a_wrong_order_and_a_part_alone_are_refused_before_anything_changes() -> None:
    with house() as there, house() as here:
        do(there, ("put", 0, 0, "documents"))
        files = [there.take()]
        for content in (1, 2):
            do(there, ("put", 0, content, "documents"))
            assert files[-1] is not None
            files.append(there.take(files[-1][0]))
        (first, whole), (second, more), (third, last) = [each for each in files if each is not None]
        before = here.state()

        for wrong, told in (
            ([whole, last], f"file 2: {third} goes on from {second}, and before it comes {first}"),
            ([whole, last, more], f"{third} goes on from {second}, and before it comes {first}"),
            ([more, last], f"file 1: it begins with what changed since {first}"),
            ([whole, more, whole], f"file 3: {first} is whole, and before it comes {second}"),
            ([whole, more, more], f"file 3: {second} goes on from {first}, and before it comes"),
        ):
            with pytest.raises(Problem) as refused:
                here.restore(*wrong)
            assert (refused.value.status_code, refused.value.name) == (409, "broken-chain")
            assert told in str(refused.value.detail)
        with pytest.raises(Problem, match=r"file 2: .*\. Nothing was changed"):
            here.restore(whole, more[:-2000])
        assert here.state() == before

        assert here.restore(whole, more, last).documents == 1


def test_what_nobody_remembers_asks_for_a_whole_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    with house() as there, house() as here:
        do(there, ("put", 0, 0, "documents"))
        taken = there.take()
        assert taken is not None
        mark, whole = taken
        here.restore(whole)
        do(there, ("put", 1, 1, "documents"))

        def refusal(of: House, since: str) -> str:
            with pytest.raises(Problem) as refused:
                of.take(since)
            assert (refused.value.status_code, refused.value.name) == (409, "whole-backup-needed")
            return str(refused.value.detail)

        assert "made no such mark" in refusal(there, "20261127T101500000Z-00000000")
        # the mark came along, and another service may go on from it, too
        assert "a backup was put back since" in refusal(here, mark)
        there.journal.vectors_changed()
        assert "vectors of another embedding model" in refusal(there, mark)
        monkeypatch.setattr("app.documents.queue.KEPT_CHANGES", 2)
        there.journal.forget_old_jobs()
        assert "not all of it is remembered" in refusal(there, mark)


def test_what_is_left_in_qdrant_does_not_answer_after_a_restore() -> None:
    with house() as there:
        do(there, ("put", 0, 0, "documents"))
        taken = there.take()
        assert taken is not None
        state = there.state()
        do(there, ("put", 0, 1, "documents"))
        # the app's volume is lost, Qdrant's lives
        with tempfile.TemporaryDirectory() as root:
            here = House(Path(root), there.qdrant)
            here.restore(taken[1])
            assert here.state() == state
            assert len(state["in documents"]) == len(there.qdrant.engine.scroll("documents")[0])
            here.close()


def test_readers_that_change_while_points_are_read_are_written_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with house() as there, house() as here:
        do(there, ("put", 0, 0, "documents"))
        there.tell_chunks()
        save = there.backups._save_points

        async def saved(*given: Any) -> dict[str, int]:
            points = await save(*given)
            do(there, ("readers", 0, ["user:bo"]))
            there.tell_chunks()
            return points

        monkeypatch.setattr(there.backups, "_save_points", saved)
        taken = there.take()
        assert taken is not None
        assert there.journal.unwritten() == []

        here.restore(taken[1])

        (waiting,) = here.journal.unwritten()
        assert waiting.readers == '["user:bo"]'
        here.tell_chunks()
        assert here.state() == there.state()


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), st.integers(1, 30))
def test_files_of_one_body_come_apart_as_they_were(files: list[bytes], size: int) -> None:
    body = b"".join(len(each).to_bytes(LENGTH, "big") + each for each in files)

    async def parts(whole: bytes) -> list[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(whole), size):
                yield whole[start : start + size]

        found: dict[int, bytes] = {}
        async for number, piece in several_files(pieces()):
            found[number] = found.get(number, b"") + piece
        return list(found.values())

    assert asyncio.run(parts(body)) == files
    with pytest.raises(BadArchive, match="is cut"):
        asyncio.run(parts(body[:-1]))
    with pytest.raises(BadArchive, match="is empty"):
        asyncio.run(parts(body + bytes(LENGTH) + b"x"))


def test_a_backup_from_before_there_were_marks_is_read_as_a_whole_one() -> None:
    manifest = Manifest("2026-11-27T03:00:00+00:00", 4, "m", 0, {}, ())
    text = manifest.to_json().replace(b', "mark": "", "since": null, "changed": []', b"")
    assert b"mark" not in text

    assert Manifest.from_json(text) == manifest


def test_no_backup_is_taken_of_a_collection_that_is_half_there() -> None:
    with house() as there:
        there.accept(1, 1)
        there.run()
        there.qdrant.engine.delete_collection("documents")
        there.stores.forget_generation(there.stores.generations.live("documents"))

        with pytest.raises(Problem, match="documents are left"):
            there.take()
