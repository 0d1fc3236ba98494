"""What exactly one process on a data folder does, for as long as it holds the lease.

The kernel gives the lease on when its holder ends, however it does; the next one has it half a
second later.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

from app.access.audit import Audit
from app.documents.indexer import Indexer
from app.documents.library import Library
from app.log import where
from app.reembedding import Reembedding
from app.sharing.locks import FileLock
from app.sharing.presence import Presence
from app.sharing.turnstile import Turnstile

log = logging.getLogger("app.upkeep")
LOOK_SECONDS = 0.5
STOP_SECONDS, STOP_LOOKS = 5.0, 100
AGAIN_SECONDS = 5.0  # after a failure, such as a Qdrant that is away
HOUSEKEEPING_SECONDS = 30.0


class Upkeep:
    """Indexing, re-embedding, retention, and what processes that ended have left."""

    def __init__(
        self,
        *,
        lease: FileLock,
        presence: Presence,
        turnstile: Turnstile,
        library: Library,
        reembedding: Reembedding,
        audit: Audit,
        tidy: Sequence[Callable[[], None]],
    ) -> None:
        self._lease = lease
        self._presence = presence
        self._turnstile = turnstile
        self._library = library
        self._reembedding = reembedding
        self._audit = audit
        self._tidy = tidy
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def leads(self) -> bool:
        """Say whether this is the process that does it."""
        return self._lease.held

    @property
    def _indexer(self) -> Indexer:
        return self._library.indexer

    async def start(self) -> None:
        """Begin, or wait for the process that does it now to end."""
        await self._indexer.start()
        if self.leads:
            await self._lead()
        else:
            log.info("another process leads")
            self._tasks.append(asyncio.create_task(self._wait()))

    async def stop(self) -> None:
        """Stop, and let another process go on at once if no job is left running here.

        Else it goes on when this process ends.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._reembedding.stop()
        await self._indexer.stop()
        for _ in range(STOP_LOOKS):
            if not self._turnstile.inside:
                break
            await asyncio.sleep(STOP_SECONDS / STOP_LOOKS)
        if self.leads and not self._turnstile.inside:
            self._lease.release()
            log.info("another process may lead")

    async def _wait(self) -> None:
        while not self._lease.take():
            await asyncio.sleep(LOOK_SECONDS)
        await self._lead()

    async def _lead(self) -> None:
        log.info("leads")
        while not await _done(lambda: self._indexer.lead(self._presence.is_alive)):
            await asyncio.sleep(AGAIN_SECONDS)
        for work in (self._reembed, self._library.keep_to_retention, self._keep_house):
            self._tasks.append(asyncio.create_task(work()))

    async def _reembed(self) -> None:
        while not await _done(self._reembedding.lead):
            await asyncio.sleep(AGAIN_SECONDS)

    async def _keep_house(self) -> None:
        while True:
            await _done(self._bury)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _bury(self) -> None:
        """Note the last line of each process that has ended, and take up or remove what it left."""
        resume = self._library.journal.resume
        if resumed := await asyncio.to_thread(resume, self._presence.is_alive):
            log.info("took up", extra={"jobs": resumed})
            self._indexer.wake()
        for file in self._presence.ended():
            if head := file.read_text("ascii").strip():
                self._audit.follow(head)
            file.unlink()
        for tidy in self._tidy:
            await asyncio.to_thread(tidy)


async def _done(work: Callable[[], Coroutine[None, None, None]]) -> bool:
    try:
        await work()
    except Exception as error:
        log.warning("tried again", extra={"at": where(error)})
        return False
    return True
