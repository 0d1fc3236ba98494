"""Builds the vectors of another embedding model beside those that answer, then lets them answer.

It goes on afterwards with the vectors of the model before, so that going back loses nothing.
"""

import asyncio
import logging
import time
from collections.abc import Iterable

from app.documents.holdings import chunk_readers
from app.documents.journal import Journal
from app.documents.ledger import PARTLY, Ledger
from app.documents.shelf import Shelf
from app.generations import Generation, Generations, UnknownModel
from app.indexing import ChunkIndex
from app.log import where
from app.settings import SettingsProblem
from app.sharing.locks import SharedLock
from app.sharing.turnstile import Turnstile
from app.stores import Stores
from pipelines.errors import StageError
from pipelines.reading.page import UnreadableDocument

log = logging.getLogger("app.reembedding")
LOOK_SECONDS = 1.0
PAUSE_SECONDS = 10.0
AT_ONCE = 100  # documents between two looks at what is wanted


class Reembedding:
    """One document at a time, whatever else is indexed; a stopped one goes on where it was."""

    def __init__(
        self,
        *,
        journal: Journal,
        shelf: Shelf,
        index: ChunkIndex,
        stores: Stores,
        generations: Generations,
        ledger: Ledger,
        turnstile: Turnstile,
        switching: SharedLock,
        runner: str,
        collection: str,
    ) -> None:
        """`switching` is held while other vectors come to answer; `runner` is this process."""
        self._journal = journal
        self._shelf = shelf
        self._index = index
        self._stores = stores
        self._generations = generations
        self._ledger = ledger
        self._turnstile = turnstile
        self._switching = switching
        self._runner = runner
        self._default = collection
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        # How many documents of each collection the vectors beside lack.
        self.missing: dict[str, int] = {}

    def check(self, *, leads: bool = True) -> None:
        """Go back to the current model's vectors, or raise SettingsProblem with both sizes.

        For the start; a Qdrant that is away is asked when a collection is opened. Where another
        process leads, what answers is its to say: this one only reads what it can. Nor is it this
        one's yet while jobs run elsewhere, or did when a process died.
        """
        self._generations.leads = leads and not self._journal.runners()
        try:
            self._go_back_if_wanted()
            for collection in self._collections():
                self._check_size(self._generations.live(collection))
        except StageError as error:
            log.info("not checked", extra={"why": error.kind})

    async def lead(self) -> None:
        """Work from now on; for one process at a time."""
        await asyncio.to_thread(self._take_over)
        if self._generations.next is not None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the document at hand; what answers is another process's to say."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._generations.leads = False

    def _take_over(self) -> None:
        """Let a model of this process answer where the one before left another."""
        if self._generations.leads:
            return
        self._stores.look_again()
        try:
            for collection in self._collections():
                self._generations.known(collection)
        except UnknownModel:
            back = [self._generations.earlier(each) for each in self._collections()]
            # The last documents of the process before may not be in these yet.
            while not self._went_back(back):
                if self._stopping:
                    return
            log.info("went back", extra={"model": self._generations.current.name})
        self._generations.leads = True

    def _went_back(self, back: list[Generation]) -> bool:
        if any(self._one(each) for each in back):
            return False
        # Jobs of this process write into these already, those of others into what answers now.
        with self._generations.lock, self._switching:
            elsewhere = self._journal.runners() - {self._runner}
            if not elsewhere and not any(self._lacking(each) for each in back):
                self._switch(back)
                return True
        time.sleep(LOOK_SECONDS)
        return False

    def _switch(self, generations: list[Generation]) -> None:
        self._generations.switch(generations)
        self._journal.vectors_changed()

    async def _run(self) -> None:
        while True:
            try:
                worked = await asyncio.to_thread(self._step_unless_at_rest)
                pause = 0.0 if worked else LOOK_SECONDS
            except Exception as error:
                log.warning("waiting", extra={"at": where(error)})
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause)

    def _step_unless_at_rest(self) -> bool:
        if not self._turnstile.enter():
            return False
        try:
            return self.step()
        finally:
            self._turnstile.leave()

    def step(self) -> bool:
        """Do the next piece of work; False where there is none."""
        for collection in self._collections():
            beside = self._generations.beside(collection)
            if beside is not None and self._one(beside):
                return True
        return self._switch_if_complete()

    def _one(self, beside: Generation) -> bool:
        answering = self._journal.answering(beside.collection)
        for gone in self._ledger.held(beside.physical).keys() - answering.keys():
            self._index.remove_from(beside, gone)
            self._ledger.forget(beside.physical, gone)
        lacking = self._lacking(beside)
        self.missing[beside.collection] = len(lacking)
        for document_id in lacking[:AT_ONCE]:
            if self._stopping:
                break
            name, sha256 = answering.get(document_id, ("", ""))
            try:
                pages = self._shelf.read_pages(document_id, sha256)
                readers = self._readers(document_id)
                # Known before it is there: erased meanwhile, what is written of it later goes too.
                self._ledger.record(beside.physical, document_id, PARTLY)
                self._index.index_into(beside, document_id, name, pages, readers)
                # They may have changed meanwhile, or since chunks that were there were written.
                self._index.set_readers_in(beside, document_id, self._readers(document_id))
            except FileNotFoundError:
                continue  # replaced or deleted a moment ago; the next look removes what is there
            except UnreadableDocument as error:
                log.warning("left out", extra={"document": document_id, "at": where(error)})
            self._ledger.record(beside.physical, document_id, sha256)
        return bool(lacking)

    def _readers(self, document_id: str) -> list[str]:
        document = self._journal.document(document_id)
        if document is None:
            raise FileNotFoundError(document_id)
        return chunk_readers(document.owner, document.readers)

    def _switch_if_complete(self) -> bool:
        generations = self._generations
        # No job may be on its way into the vectors that answer now.
        with generations.lock, self._switching:
            if generations.live(self._default).model == generations.wanted:
                return False
            if self._journal.jobs_by_status().get("running"):
                return False
            built = [generations.beside(collection) for collection in self._collections()]
            ready = [each for each in built if each is not None]
            if any(self._lacking(each) for each in ready):
                return True
            for each in ready:
                self._stores.open_generation(each)  # an empty one has to be there too
            self._switch(ready)
        log.info("switched", extra={"model": generations.wanted.name})
        return True  # the other vectors are kept from now on

    def _go_back_if_wanted(self) -> None:
        try:
            self._generations.known(self._default)
            return
        except UnknownModel as unknown:
            live = unknown
        back = [self._generations.earlier(collection) for collection in self._collections()]
        lacking = sum(len(self._lacking(each)) for each in back)
        if lacking == 0 and not self._generations.leads:
            return  # they are kept complete until this process has them answer
        if lacking == 0:
            self._switch(back)
            log.info("went back", extra={"model": self._generations.current.name})
            return
        current = self._generations.current
        message = (
            f"RAG_EMBEDDING_DIMENSION is {current.dimension} (RAG_EMBEDDING_MODEL is"
            f" {current.name!r}), and collection {live.collection!r} answers from vectors of"
            f" {self._generations.size(live.physical)} numbers, made by another model;"
            f" {lacking} documents are not in the vectors of this one"
            "\nhint: go back to the model that it was made with, and name this one by"
            " RAG_NEXT_EMBEDDING_URL, RAG_NEXT_EMBEDDING_MODEL and RAG_NEXT_EMBEDDING_DIMENSION"
        )
        raise SettingsProblem(message)

    def _check_size(self, live: Generation) -> None:
        held = self._generations.size(live.physical)
        if held is not None and held != live.model.dimension:
            message = (
                f"RAG_EMBEDDING_DIMENSION is {live.model.dimension}"
                f" (RAG_EMBEDDING_MODEL is {live.model.name!r}), and collection"
                f" {live.collection!r} holds vectors of {held} numbers"
                "\nhint: go back to the model that it was made with, and name the new one by"
                " RAG_NEXT_EMBEDDING_URL, RAG_NEXT_EMBEDDING_MODEL and RAG_NEXT_EMBEDDING_DIMENSION"
            )
            raise SettingsProblem(message)

    def _lacking(self, beside: Generation) -> list[str]:
        held = self._ledger.held(beside.physical)
        answering = self._journal.answering(beside.collection)
        return [each for each, (_, sha256) in answering.items() if held.get(each) != sha256]

    def _collections(self) -> Iterable[str]:
        return sorted({self._default, *self._journal.collections()})
