"""What callers can do with documents; every method is safe to call from the event loop."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.documents.indexer import Indexer
from app.documents.journal import Journal
from app.documents.receiving import Received, Reception
from app.documents.records import Document, Job
from app.documents.shelf import Shelf, is_full
from app.problems import Problem, disk_full, invalid, not_found
from app.settings import COLLECTION
from pipelines.convert import Page

DELETION_SECONDS = 20.0
LOOK_SECONDS = 0.2
SIGN_SECONDS = 15.0  # proxies cut what is silent for a minute


def check_collection(name: str) -> str:
    """Return the name of a collection if it can be one."""
    if not re.fullmatch(COLLECTION, name):
        msg = "collection may hold a-z, 0-9, - and _, at most 63, and begins with a letter or digit"
        raise invalid(msg)
    return name


@dataclass(frozen=True)
class Library:
    """The documents of the service."""

    journal: Journal
    shelf: Shelf
    indexer: Indexer
    collection: str
    min_free_bytes: int

    async def upload(
        self,
        content_type: str,
        body: AsyncIterator[bytes],
        *,
        declared: int,
        collection: str | None,
    ) -> list[Job]:
        """Take the files of a multipart body in, all of them or none."""
        if await asyncio.to_thread(self.shelf.free_bytes) < declared + self.min_free_bytes:
            raise disk_full()
        reception = Reception(self.shelf, content_type)
        await reception.read(body)
        try:
            target = check_collection(
                collection or reception.fields.get("collection") or self.collection
            )
            jobs = [
                await asyncio.to_thread(self._accept, target, received)
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
        self.indexer.wake()
        return jobs

    def _accept(self, collection: str, received: Received) -> Job:
        with self.shelf.lock:
            self.shelf.keep(received.path, received.sha256)
            return self.journal.accept(collection, received.name, received.sha256, received.size)

    async def job(self, job_id: str) -> Job:
        job = await asyncio.to_thread(self.journal.job, job_id)
        if job is None:
            msg = "There is no such job"
            raise not_found(msg)
        return job

    async def cancel(self, job_id: str) -> Job:
        """End a job: a waiting one at once, a running one at its next step."""
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

    async def follow(self, job_id: str) -> AsyncIterator[Job | None]:
        """Yield the job whenever it has changed, until it is closed; None to show signs of life."""
        job = await self.job(job_id)
        yield job
        quiet = 0.0
        while not job.closed:
            await asyncio.sleep(LOOK_SECONDS)
            seen, job = job, await self.job(job_id)
            quiet += LOOK_SECONDS
            if job != seen:
                yield job
            elif quiet >= SIGN_SECONDS:
                yield None
            quiet = 0.0 if job != seen or quiet >= SIGN_SECONDS else quiet

    async def document(self, document_id: str) -> Document:
        document = await asyncio.to_thread(self.journal.document, document_id)
        if document is None:
            msg = "There is no such document"
            raise not_found(msg)
        return document

    async def documents(
        self, collection: str | None, *, limit: int, offset: int
    ) -> tuple[list[Document], int]:
        def read() -> tuple[list[Document], int]:
            listed = self.journal.documents(collection, limit=limit, offset=offset)
            return listed, self.journal.count(collection)

        return await asyncio.to_thread(read)

    async def collections(self) -> list[str]:
        """Return the collections that hold documents, and the default one."""
        found = await asyncio.to_thread(self.journal.collections)
        return sorted({self.collection, *found})

    async def pages(self, document_id: str) -> tuple[Document, list[Page]]:
        """Return the pages of the version that answers."""
        document = await self.document(document_id)
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
            newer = await self.document(document_id)
            if newer.sha256 in (None, document.sha256):
                raise
            return await self.pages(document_id)
        return document, pages

    async def delete(self, document_id: str) -> Job:
        """Remove a document; the job that comes back is done, or goes on by itself."""
        job = await asyncio.to_thread(self.journal.request_deletion, document_id)
        if job is None:
            msg = "There is no such document"
            raise not_found(msg)
        self.indexer.wake()
        return await self.indexer.finished(job.id, DELETION_SECONDS) or job
