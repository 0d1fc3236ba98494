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
from pipelines.reading.page import UnreadableDocument

log = logging.getLogger("app.filling")
AT_ONCE = 100  # documents between two looks at what is wanted


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
        """Write some of what is lacking, and remove what is gone; False where nothing lacked."""
        answering = self._journal.answering(into.collection)
        for gone in self._ledger.held(into.physical).keys() - answering.keys():
            self._index.remove_from(into, gone)
            self._ledger.forget(into.physical, gone)
        lacking = self.lacking(into)
        self.missing[into.collection] = len(lacking)
        for document_id in lacking[:AT_ONCE]:
            if self.stopping:
                break
            name, sha256 = answering.get(document_id, ("", ""))
            try:
                pages = self._shelf.read_pages(document_id, sha256)
                readers = self._readers(document_id)
                # Known before it is there: erased meanwhile, what is written of it later goes too.
                self._ledger.record(into.physical, document_id, PARTLY)
                self._index.index_into(into, document_id, name, pages, readers)
                # They may have changed meanwhile, or since chunks that were there were written.
                self._index.set_readers_in(into, document_id, self._readers(document_id))
            except FileNotFoundError:
                continue  # replaced or deleted a moment ago; the next look removes what is there
            except UnreadableDocument as error:
                log.warning("left out", extra={"document": document_id, "at": where(error)})
            self._ledger.record(into.physical, document_id, sha256)
        return bool(lacking)

    def lacking(self, into: Generation) -> list[str]:
        """Return the documents that these vectors do not have as they are."""
        held = self._ledger.held(into.physical)
        answering = self._journal.answering(into.collection)
        return [each for each, (_, sha256) in answering.items() if held.get(each) != sha256]

    def _readers(self, document_id: str) -> list[str]:
        document = self._journal.document(document_id)
        if document is None:
            raise FileNotFoundError(document_id)
        return chunk_readers(document.owner, document.readers)


def losses(journal: Journal, ledger: Ledger) -> Callable[[Generation], None]:
    """Return what notes, of vectors that are not there, whether documents answered from them."""

    def note(absent: Generation) -> None:
        if journal.answers(absent.collection):
            log.warning("not there any more", extra={"collection": absent.physical})
            ledger.lose(absent.physical)

    return note
