"""Builds the vectors of another embedding model beside those that answer, then lets them answer.

It goes on afterwards with the vectors of the model before, so that going back loses nothing. And
it fills again what Qdrant came back without.
"""

import asyncio
import logging
import time
from collections.abc import Iterable

from app.documents.journal import Journal
from app.documents.ledger import Ledger
from app.filling import Filling
from app.generations import Generation, Generations, UnknownModel
from app.log import where
from app.settings import SettingsProblem
from app.sharing.locks import SharedLock
from app.sharing.turnstile import Turnstile
from app.stores import Stores
from pipelines.errors import StageError

log = logging.getLogger("app.reembedding")
LOOK_SECONDS = 1.0
PAUSE_SECONDS = 10.0
LOST_SECONDS = 30.0  # between two looks whether all collections are there


class Reembedding:
    """One document at a time, whatever else is indexed; a stopped one goes on where it was."""

    def __init__(
        self,
        *,
        journal: Journal,
        filling: Filling,
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
        self._filling = filling
        self._stores = stores
        self._generations = generations
        self._ledger = ledger
        self._turnstile = turnstile
        self._switching = switching
        self._runner = runner
        self._default = collection
        self._task: asyncio.Task[None] | None = None
        self._looked = -LOST_SECONDS
        # What ran when lost vectors had all that they lacked, of those that still do.
        self._waits: dict[str, set[str]] = {}

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
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the document at hand; what answers is another process's to say."""
        self._filling.stopping = True
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
                if self._filling.stopping:
                    return
            log.info("went back", extra={"model": self._generations.current.name})
        self._generations.leads = True

    def _went_back(self, back: list[Generation]) -> bool:
        if any(self._filling.step(each) for each in back):
            return False
        # Jobs of this process write into these already, those of others into what answers now.
        with self._generations.lock, self._switching:
            elsewhere = self._journal.runners() - {self._runner}
            if not elsewhere and not any(self._filling.lacking(each) for each in back):
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
        if self._fill_lost():
            return True
        if self._generations.next is None:
            return False
        for collection in self._collections():
            beside = self._generations.beside(collection)
            if beside is not None and self._filling.step(beside):
                return True
        return self._switch_if_complete()

    def _fill_lost(self) -> bool:
        """Fill again what answers and was lost; False where there is none, or jobs come first."""
        self._look_for_lost()
        for physical in sorted(self._ledger.lost()):
            live = self._generations.live(physical.partition(".")[0])
            if live.physical != physical:
                self._ledger.give_up(physical)
                continue
            if self._filling.step(live):
                self._waits.pop(physical, None)
                return True
            # A job that runs may have taken a document's old chunks out before they came back.
            running = self._journal.running()
            self._waits[physical] = running & self._waits.get(physical, running)
            if not self._waits[physical] and not self._filling.lacking(live):
                self._ledger.filled(physical)
                log.info("filled again", extra={"collection": live.collection})
        return False

    def _look_for_lost(self) -> None:
        """Make anew what Qdrant came back without: whoever makes it notes what was lost."""
        if time.monotonic() < self._looked + LOST_SECONDS:
            return
        for collection in self._collections():
            live = self._generations.live(collection)
            if self._journal.answers(collection) and self._generations.size(live.physical) is None:
                self._stores.forget_generation(live)
                self._stores.open_generation(live)
        self._looked = time.monotonic()

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
            for each in ready:
                self._stores.open_generation(each)  # an empty one has to be there too
            if any(self._filling.lacking(each) for each in ready):
                return False
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
        lacking = sum(len(self._filling.lacking(each)) for each in back)
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

    def _collections(self) -> Iterable[str]:
        return sorted({self._default, *self._journal.collections()})
