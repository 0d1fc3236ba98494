"""Writes documents from the pages that are kept into vectors that lack them."""

import logging
from collections.abc import Callable

from app.documents.holdings import chunk_readers
from app.documents.journal import Journal
from app.documents.ledger import PARTLY, Ledger
from app.documents.shelf import Shelf
from app.generations import Generation
from app.indexing import ChunkIndex
from app.log import where
from pipelines.errors import StageError
from pipelines.reading.page import UnreadableDocument

log = logging.getLogger("app.filling")
AT_ONCE = 100  # documents between two looks at what is wanted


class Gone(Exception):
    """The document was deleted a moment ago."""


class Filling:
    """Brings vectors to what the journal says, whatever else is indexed meanwhile."""

    def __init__(self, journal: Journal, shelf: Shelf, index: ChunkIndex, ledger: Ledger) -> None:
        self._journal = journal
        self._shelf = shelf
        self._index = index
        self._ledger = ledger
        self.stopping = False
        # How many documents of each collection the vectors lacked at the last look.
        self.missing: dict[str, int] = {}

    def step(self, into: Generation) -> bool:
        """Write some of what is lacking, and remove what is gone; False where nothing was done.

        What one document raises does not hold up the others; it is raised when they are written.
        """
        answering = self._journal.answering(into.collection)
        for gone in self._ledger.held(into.physical).keys() - answering.keys():
            self._index.remove_from(into, gone)
            self._ledger.forget(into.physical, gone)
        lacking = self.lacking(into)
        self.missing[into.collection] = len(lacking)
        written, failed = 0, None
        for document_id in lacking[:AT_ONCE]:
            if self.stopping:
                break
            try:
                name, sha256 = answering.get(document_id, ("", ""))
                written += self._write(into, document_id, name, sha256)
            except StageError as error:
                if error.retryable:
                    raise
                failed = failed or error
        if failed is not None:
            raise failed
        return written > 0

    def _write(self, into: Generation, document_id: str, name: str, sha256: str) -> bool:
        """Write a document from its pages; False where it is not there any more."""
        try:
            pages = self._shelf.read_pages(document_id, sha256)
        except (FileNotFoundError, ValueError) as error:
            held = self._journal.document(document_id)
            if held is None or held.sha256 != sha256:
                return False  # replaced or deleted a moment ago
            return self._left_out(into, document_id, sha256, error)
        try:
            readers = self._readers(document_id)
            # Known before it is there: erased meanwhile, what is written of it later goes too.
            self._ledger.record(into.physical, document_id, PARTLY)
            self._index.index_into(into, document_id, name, pages, readers)
            # They may have changed meanwhile, or since chunks that were there were written.
            told: list[str] | None = None
            while (now := self._readers(document_id)) != told:
                self._index.set_readers_in(into, document_id, now)
                told = now
        except Gone:
            return True  # the next look removes what is there
        except UnreadableDocument as error:
            return self._left_out(into, document_id, sha256, error)
        self._ledger.record(into.physical, document_id, sha256)
        return True

    def _left_out(self, into: Generation, document_id: str, sha256: str, error: Exception) -> bool:
        log.warning("left out", extra={"document": document_id, "at": where(error)})
        self._ledger.record(into.physical, document_id, sha256)
        return True

    def lacking(self, into: Generation) -> list[str]:
        """Return the documents that these vectors do not have as they are."""
        held = self._ledger.held(into.physical)
        answering = self._journal.answering(into.collection)
        return [each for each, (_, sha256) in answering.items() if held.get(each) != sha256]

    def _readers(self, document_id: str) -> list[str]:
        document = self._journal.document(document_id)
        if document is None:
            raise Gone
        return chunk_readers(document.owner, document.readers)


def losses(journal: Journal, ledger: Ledger) -> Callable[[Generation, bool], None]:
    """Return what notes that vectors are not there; `live` are those that documents answer from."""

    def note(absent: Generation, live: bool) -> None:
        if not journal.answers(absent.collection):
            return  # they are new
        if live:
            log.warning("not there any more", extra={"collection": absent.physical})
        ledger.lose(absent.physical, live=live)

    return note
