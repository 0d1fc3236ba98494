"""One job's work: from a file on the shelf to chunks in the index, or to the reason why not."""

import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Literal, Protocol

from app.documents.holdings import chunk_readers
from app.documents.journal import Journal
from app.documents.records import Document, Job
from app.documents.shelf import Shelf, is_full
from app.failures import Failure, explain
from app.log import where
from pipelines.convert import Limits, Page, Readers, ReadingKilled, UnreadableDocument
from pipelines.ocr import Ocr, recognized
from pipelines.reading.injection import examined

log = logging.getLogger("app.indexer")
MOST_ATTEMPTS = 40  # with the delays below about 18 minutes: a NIM may take that long to start
LONGEST_DELAY = 30.0
FURTHER_TRIES = 2  # of a file during whose reading the process ended, or what it reads with
KILLED_DELAY = 1.0  # seconds


class Withdrawn(Exception):
    """The job is not wanted any more: it was cancelled, or its document deleted."""


class Index(Protocol):
    """What is searched."""

    def index(
        self,
        collection: str,
        document_id: str,
        name: str,
        pages: list[Page],
        on_progress: Callable[[int, int], None] | None = None,
        readers: Sequence[str] | None = None,
    ) -> int:
        """Write a document's chunks in place of its old ones and return how many there are."""

    def set_readers(self, collection: str, document_id: str, readers: Sequence[str]) -> None:
        """Write who may read a document into all chunks of it."""

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document's chunks and return how many there were."""


class Work:
    """Does jobs in the thread that asks; every end of one is in the journal."""

    def __init__(
        self,
        journal: Journal,
        shelf: Shelf,
        index: Index,
        *,
        limits: Limits,
        ocr: Ocr | None = None,
        injections: Literal["report", "quarantine"] = "report",
    ) -> None:
        self._journal = journal
        self._shelf = shelf
        self._index = index
        self._limits = limits
        self._ocr = ocr
        self._injections = injections
        self._readers = Readers()

    def close(self) -> None:
        """End the reading of documents."""
        self._readers.close()

    def write_waiting_readers(self) -> int:
        """Write the readers that chunks do not have yet; return of how many documents."""
        waiting = self._journal.unwritten()
        for document in waiting:
            self.write_readers(document)
        return len(waiting)

    def write_readers(self, document: Document) -> None:
        """Write a document's readers into its chunks; raises StageError."""
        readers = chunk_readers(document.owner, document.readers)
        self._index.set_readers(document.collection, document.id, readers)
        self._journal.readers_written(document.id, document.readers)

    def do(self, job: Job) -> None:
        """Run one job to an end that the journal knows."""
        step = self._delete if job.kind == "delete" else self._index_one
        try:
            step(job)
        except UnreadableDocument as error:
            if job.attempts > 1 or self._journal.is_half_written(job.document_id):
                self._take_back(job)  # of an earlier try, or of a job before this one
            self._journal.close_job(job, "refused", str(error))
        except Withdrawn as error:
            self._take_back(job)
            self._journal.close_job(job, "cancelled", str(error))
        except ReadingKilled as error:
            # As where the process itself ends: the kernel takes the one or the other.
            self._journal.retry(job, str(error), stage="convert", delay=KILLED_DELAY)
        except Exception as error:
            self._failed(job, error)
        self._tidy(job)

    def _failed(self, job: Job, error: Exception) -> None:
        full = isinstance(error, OSError) and is_full(error)
        failure = Failure(None, "the disk is full", retry=True) if full else explain(error)
        log.warning("job failed", extra={"job": job.id, "at": where(error), "try": job.attempts})
        # A deletion was promised: it is tried until it is done.
        if job.kind == "delete" or (failure.retry and job.attempts < MOST_ATTEMPTS):
            delay = min(LONGEST_DELAY, 0.5 * 2 ** min(job.attempts, 8)) * random.uniform(0.8, 1.2)
            self._journal.retry(job, failure.reason, stage=failure.stage, delay=delay)
        else:
            self._take_back(job)
            self._journal.close_job(job, "failed", failure.reason)

    def _take_back(self, job: Job) -> None:
        """Remove what a job wrote before it ended; the version before it answers as it did."""
        document = self._journal.document(job.document_id)
        if document is None:
            return  # its deletion waits behind this job
        try:
            if document.sha256 is None:
                self._index.remove(job.collection, job.document_id)
            else:
                pages = self._shelf.read_pages(job.document_id, document.sha256)
                readers = chunk_readers(document.owner, document.readers)
                self._index.index(
                    job.collection, job.document_id, document.name, pages, readers=readers
                )
                self.write_readers(document)
                self._journal.give_back(document.id)
        except Exception as error:
            # The next upload under this name replaces all of it; what was held back stays so.
            log.warning("left in the index", extra={"job": job.id, "at": where(error)})

    def _index_one(self, job: Job) -> None:
        self._stop_if_withdrawn(job)
        if job.attempts > MOST_ATTEMPTS:
            self._take_back(job)
            self._journal.close_job(job, "failed", "it was tried too often")
            return
        document = self._journal.document(job.document_id)
        if document is None:
            message = "the document was deleted"
            raise Withdrawn(message)
        if job.unended > FURTHER_TRIES:
            reason = (
                f"what read this file was killed {job.unended} times, by all signs for want of"
                " memory; split it, or take out what is large in it"
            )
            raise UnreadableDocument(kind="too-large", reason=reason)
        original = self._shelf.original(job.sha256)
        reading = self._readers.read(
            original,
            job.name,
            self._limits,
            # whatever else was read when the process ended must not be blamed again
            alone=job.unended > 0,
            watched=lambda: self._counted(job),
        )
        found = reading.findings
        if self._ocr is not None and any(page.scanned for page in reading.pages):
            reading = recognized(
                reading,
                self._in_turn(self._ocr),
                lambda page: self._readers.draw(original, job.name, page, self._limits),
                lambda done, total: self._progress(job, done, total, stage="ocr"),
            )
            found = examined(reading.pages)  # what is hidden is of the pages that have text
        quarantined = bool(found) and self._injections == "quarantine"
        if quarantined:
            # Before the first of its chunks can be found: the version before it may be cited.
            self._journal.hold_back(job.document_id)
        pages = reading.pages
        self._shelf.write_pages(job.document_id, job.sha256, pages)
        self._progress(job, 0, len(pages))
        chunks = self._index.index(
            job.collection,
            job.document_id,
            job.name,
            pages,
            lambda done, total: self._progress(job, done, total),
            readers=chunk_readers(document.owner, document.readers),
        )
        # Chunks of an earlier version or try are kept as they are, with the readers of then.
        alike = document.sha256 is None and job.attempts == 1
        files = json.dumps([asdict(verdict) for verdict in reading.files], ensure_ascii=False)
        self._journal.finish_index(
            job,
            chunks=chunks,
            pages=len(pages),
            note=reading.note,
            files=files,
            readers=document.readers if alike else None,
            warnings=json.dumps([asdict(each) for each in found], ensure_ascii=False),
            quarantined=quarantined,
        )
        log.info("indexed", extra={"job": job.id, "pages": len(pages), "chunks": chunks})
        if found:
            kinds = sorted({each.kind for each in found})
            log.warning("speaks to a model", extra={"job": job.id, "kinds": kinds})

    @contextmanager
    def _counted(self, job: Job) -> Iterator[None]:
        self._journal.begin_reading(job)
        try:
            yield
        except ReadingKilled:
            raise  # it stays counted
        except BaseException:
            self._journal.end_reading(job)
            raise
        self._journal.end_reading(job)

    def _in_turn(self, ocr: Ocr) -> Ocr:
        return _InTurn(ocr, self._readers) if ocr.is_local else ocr

    def _progress(self, job: Job, done: int, total: int, stage: str = "index") -> None:
        self._stop_if_withdrawn(job)
        first, share = (0.05, 0.15) if stage == "ocr" else (0.2, 0.75)
        self._journal.advance(job.id, stage, first + share * done / max(total, 1))

    def _stop_if_withdrawn(self, job: Job) -> None:
        if reason := self._journal.is_withdrawn(job):
            raise Withdrawn(reason)

    def _delete(self, job: Job) -> None:
        removed = self._index.remove(job.collection, job.document_id)
        self._journal.finish_delete(job)
        log.info("deleted", extra={"job": job.id, "chunks": removed})

    def _tidy(self, job: Job) -> None:
        try:
            contents = self._journal.contents_of(job.document_id)
            self._shelf.release(job.document_id, contents, self._journal.needed)
            if job.kind == "delete":
                self._journal.erase_histories()
        except OSError as error:
            # The next start sweeps what could not be removed now.
            log.warning("left on disk", extra={"job": job.id, "at": where(error)})


class _InTurn:
    """Recognition by a process of this machine, which counts as a reading: its memory does."""

    is_local = True

    def __init__(self, ocr: Ocr, readers: Readers) -> None:
        self._ocr = ocr
        self._readers = readers

    def text(self, picture: bytes) -> str:
        with self._readers.turn():
            return self._ocr.text(picture)
