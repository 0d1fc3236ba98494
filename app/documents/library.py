"""What callers can do with documents; every method is safe to call from the event loop."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from app.access.identity import EVERYONE, Identity, visit
from app.documents.indexer import Indexer
from app.documents.journal import Journal
from app.documents.names import check_collection, checked_readers
from app.documents.reading import Selection
from app.documents.receiving import Received, Reception
from app.documents.records import Document, Job
from app.documents.shelf import Shelf, is_full
from app.problems import Problem, disk_full, forbidden, not_found
from pipelines.convert import Page
from pipelines.errors import StageError

log = logging.getLogger("app.library")
DELETION_SECONDS = 20.0
LOOK_SECONDS = 0.2
ERASED_AT_ONCE = 500
RETENTION_SECONDS = 3600.0
SIGN_SECONDS = 15.0  # proxies cut what is silent for a minute


@dataclass(frozen=True)
class Library:
    """The documents of the service."""

    journal: Journal
    shelf: Shelf
    indexer: Indexer
    collection: str
    min_free_bytes: int
    default_readers: Literal["everyone", "owner"] = "everyone"
    retention_days: int | None = None

    async def upload(
        self,
        identity: Identity,
        content_type: str,
        body: AsyncIterator[bytes],
        *,
        declared: int,
        collection: str | None,
        readers: list[str] | None = None,
    ) -> list[Job]:
        """Take the files of a multipart body in, all of them or none."""
        if await asyncio.to_thread(self.shelf.free_bytes) < declared + self.min_free_bytes:
            raise disk_full()
        reception = Reception(self.shelf, content_type)
        await reception.read(body)
        try:
            target = check_collection(
                collection or reception.fields.get("collection") or self.default_for(identity)
            )
            if not identity.sees(target):
                msg = "This key is not for that collection"
                raise forbidden(msg)
            named = reception.fields.get("readers")
            given = checked_readers(named.split(",") if named is not None else readers)
            jobs = [
                await asyncio.to_thread(self._accept, identity, target, received, given)
                for received in reception.files
            ]
        except OSError as error:
            reception.discard()
            if is_full(error):
                raise disk_full() from error
            raise
        except sqlite3.OperationalError as error:
            reception.discard()
            if error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
                raise disk_full() from error
            raise
        except BaseException:
            reception.discard()
            raise
        visit().object = {"documents": [job.document_id for job in jobs], "readers": given}
        self.indexer.wake()
        return jobs

    def default_for(self, identity: Identity) -> str:
        """Return the collection that is meant where none is named."""
        scope = identity.collections
        if scope is not None and len(scope) == 1:
            return next(iter(scope))
        return self.collection

    def _accept(
        self, identity: Identity, collection: str, received: Received, readers: list[str] | None
    ) -> Job:
        # The first key is nobody's in particular, and admins share one space of names.
        owner = "" if identity.via in ("file", "anonymous") else identity.subject
        with self.shelf.lock:
            self.shelf.keep(received.path, received.sha256)
            return self.journal.accept(
                collection,
                received.name,
                received.sha256,
                received.size,
                owner=owner,
                space="" if identity.is_admin else identity.subject,
                readers=readers,
                default_readers=(EVERYONE,) if self.default_readers == "everyone" else (),
            )

    async def job(self, identity: Identity, job_id: str) -> Job:
        """Return a job that the caller started, or whose document it may change."""
        job = await asyncio.to_thread(self.journal.job, job_id)
        if job is None or not self._is_theirs(identity, job):
            msg = "There is no such job"
            raise not_found(msg)
        return job

    def _is_theirs(self, identity: Identity, job: Job) -> bool:
        if not identity.sees(job.collection):
            return False
        own = identity.is_admin or (job.owner != "" and job.owner == identity.subject)
        return own or self.journal.holdings.manages(identity, job.document_id)

    async def cancel(self, identity: Identity, job_id: str) -> Job:
        """End a job: one that was never begun at once, others when they have taken back theirs."""
        await self.job(identity, job_id)
        job = await asyncio.to_thread(self.journal.cancel, job_id)
        if job is None:
            msg = "There is no such job"
            raise not_found(msg)
        if job.kind == "delete" or job.status in ("done", "refused", "failed"):
            said = (
                "a deletion is always finished" if job.kind == "delete" else f"it is {job.status}"
            )
            raise Problem(409, "not-cancellable", "The job cannot be cancelled any more", said)
        self.indexer.wake()
        return job

    async def follow(self, identity: Identity, job_id: str) -> AsyncIterator[Job | None]:
        """Yield the job whenever it has changed, until it is closed; None to show signs of life."""
        job = await self.job(identity, job_id)
        yield job
        quiet = 0.0
        while not job.closed:
            await asyncio.sleep(LOOK_SECONDS)
            seen, job = job, await self.job(identity, job_id)
            quiet += LOOK_SECONDS
            if job != seen:
                yield job
            elif quiet >= SIGN_SECONDS:
                yield None
            quiet = 0.0 if job != seen or quiet >= SIGN_SECONDS else quiet

    async def document(self, identity: Identity, document_id: str) -> Document:
        document = await asyncio.to_thread(self.journal.document, document_id)
        # One answer for what is not there and what is not theirs.
        if document is None or not self.journal.holdings.reads(identity, document_id):
            msg = "There is no such document"
            raise not_found(msg)
        return document

    async def documents(
        self,
        identity: Identity,
        collection: str | None,
        *,
        limit: int,
        offset: int,
    ) -> tuple[list[Document], int]:
        """Return a page of what the caller may read, and how many there are in all."""

        def read() -> tuple[list[Document], int]:
            listed = self.journal.documents(
                collection, limit=limit, offset=offset, identity=identity
            )
            return listed, self.journal.count(collection, identity)

        return await asyncio.to_thread(read)

    async def collections(self, identity: Identity) -> list[str]:
        """Return the collections that hold documents for the caller, and its default one."""
        found = await asyncio.to_thread(self.journal.collections, identity)
        default = self.default_for(identity)
        return sorted({*found, default} if identity.sees(default) else found)

    async def knows(self, identity: Identity, collection: str) -> bool:
        """Whether a collection is there for the caller; whether it is for others is not told."""
        if not identity.sees(collection):
            return False
        if collection == self.default_for(identity):
            return True
        return await asyncio.to_thread(self.journal.holds, collection, identity)

    async def set_readers(
        self, identity: Identity, document_id: str, readers: list[str]
    ) -> tuple[Document, bool]:
        """Say who may read a document, at once; false where the chunks do not say so yet.

        Who was left out finds it nowhere any more; who was added may have to wait for the chunks.
        """
        await self._managed(identity, document_id)
        given = checked_readers(readers)
        visit().object = {"document": document_id, "readers": given}
        document = await asyncio.to_thread(self.journal.set_readers, document_id, given or [])
        if document is None:
            msg = "There is no such document"
            raise not_found(msg)
        try:
            await asyncio.to_thread(self.indexer.work.write_readers, document)
        except StageError:
            return document, False  # the indexer tries until it is done
        return document, True

    async def quarantine(self, identity: Identity, document_id: str, *, held: bool) -> Document:
        """Keep a document from being cited by any answer, or let it again; at once."""
        await self._managed(identity, document_id)
        visit().object = {"document": document_id, "quarantined": held}
        document = await asyncio.to_thread(self.journal.quarantine, document_id, held)
        if document is None:
            msg = "There is no such document"
            raise not_found(msg)
        return document

    async def readers(self, identity: Identity, document_id: str) -> tuple[Document, bool]:
        """Return a document that the caller may change, and whether its chunks say the same."""
        document = await self._managed(identity, document_id)
        return document, document.readers_written == document.readers

    async def _managed(self, identity: Identity, document_id: str) -> Document:
        document = await self.document(identity, document_id)
        if not self.journal.holdings.manages(identity, document_id):
            msg = "Only its owner and admins may change this document"
            raise forbidden(msg)
        return document

    async def pages(self, identity: Identity, document_id: str) -> tuple[Document, list[Page]]:
        """Return the pages of the version that answers."""
        document = await self.document(identity, document_id)
        visit().object = {"document": document_id}
        if document.sha256 is None:
            raise Problem(
                409,
                "not-indexed",
                "The document has no readable version",
                f"Its status is {document.status!r}",
            )
        try:
            pages = await asyncio.to_thread(self.shelf.read_pages, document_id, document.sha256)
        except FileNotFoundError:
            # Replaced between the two reads: the newer version is there now.
            newer = await self.document(identity, document_id)
            if newer.sha256 in (None, document.sha256):
                raise
            return await self.pages(identity, document_id)
        return document, pages

    async def keep_to_retention(self) -> None:
        """Erase what is older than it may be, every hour; runs until it is cancelled."""
        while self.retention_days is not None:
            end = datetime.now(UTC) - timedelta(days=self.retention_days)
            moment = end.isoformat(timespec="milliseconds")
            if erased := await self.erase(Selection(before=moment), None):
                log.info("retention", extra={"erased": len(erased), "before": moment})
            await asyncio.sleep(RETENTION_SECONDS)

    async def erase(self, selected: Selection, collection: str | None) -> list[Job]:
        """Hide all selected documents at once, and remove them and what is known of them."""

        def request() -> list[Job]:
            jobs: list[Job] = []
            while found := self.journal.documents(
                collection, limit=ERASED_AT_ONCE, offset=0, selected=selected
            ):
                # Each is hidden now, so the next page begins with others.
                asked = (self.journal.request_deletion(each.id, erase=True) for each in found)
                jobs += [job for job in asked if job is not None]
            return jobs

        jobs = await asyncio.to_thread(request)
        self.indexer.wake()
        return jobs

    async def delete(self, identity: Identity, document_id: str, *, erase: bool = False) -> Job:
        """Remove a document; the job that comes back is done, or goes on by itself."""
        await self._managed(identity, document_id)
        visit().object = {"document": document_id}
        job = await asyncio.to_thread(
            lambda: self.journal.request_deletion(document_id, erase=erase)
        )
        if job is None:
            msg = "There is no such document"
            raise not_found(msg)
        self.indexer.wake()
        return await self.indexer.finished(job.id, DELETION_SECONDS) or job
