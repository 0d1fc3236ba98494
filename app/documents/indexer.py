"""The worker behind the uploads: takes jobs from the journal, one document at a time.

Of all processes on the data one leads it, and may have helpers; the others hear of its jobs' ends
from the journal.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import Literal

from app.documents.journal import Journal
from app.documents.records import Job
from app.documents.shelf import Shelf
from app.documents.work import Work
from app.log import where
from app.sharing.turnstile import Turnstile

log = logging.getLogger("app.indexer")
LONGEST_WAIT = 5.0
LOOK_SECONDS = 0.2  # between two looks at what other processes did
STOP_SECONDS = 10.0
Lane = Literal["index", "delete"]
LANES: tuple[Lane, ...] = ("index", "delete")  # nobody waits for a long book to get rid of a page


class Indexer:
    """Runs for as long as the service does; what it leaves open is taken up at the next start."""

    def __init__(
        self,
        journal: Journal,
        shelf: Shelf,
        work: Work,
        *,
        jobs: int,
        turnstile: Turnstile,
        runner: str,
    ) -> None:
        """`runner` is this process's token among the others."""
        self._journal = journal
        self._shelf = shelf
        self.work = work
        self._jobs = jobs
        self._runner = runner
        self._wake = {lane: asyncio.Event() for lane in LANES}
        self._done = asyncio.Condition()
        self._turnstile = turnstile
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen to what other processes do."""
        self._listening = asyncio.create_task(self._listen())

    async def lead(self, is_alive: Callable[[str], bool]) -> None:
        """Take up what was left, and work; for one process at a time."""
        resumed = await asyncio.to_thread(self._journal.resume, is_alive)
        # Not while another puts back what was backed up.
        while not self._turnstile.enter():
            await asyncio.sleep(LOOK_SECONDS)
        try:
            swept = await asyncio.to_thread(self._shelf.sweep, self._journal.needed, is_alive)
        finally:
            self._turnstile.leave()
        await asyncio.to_thread(self._journal.erase_histories)
        await asyncio.to_thread(self._journal.forget_old_jobs)
        log.info("indexer started", extra={"resumed": resumed, "swept": swept})
        runners: dict[Lane, int] = {"index": self._jobs, "delete": 1}
        self._tasks += [
            asyncio.create_task(self._run(lane))
            for lane, count in runners.items()
            for _ in range(count)
        ]
        self._tasks.append(asyncio.create_task(self._keep_readers_written()))

    def help(self) -> None:
        """Work on uploads beside the process that leads."""
        self._tasks += [asyncio.create_task(self._run("index")) for _ in range(self._jobs)]

    async def stop(self) -> None:
        """Give a running step a moment; the journal knows what to take up again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            await asyncio.to_thread(self._journal.excuse, self._runner)
        self._tasks = []

    async def close(self) -> None:
        """Hear of nothing any more, and end the reading of documents."""
        if self._listening is not None:
            self._listening.cancel()
        await asyncio.to_thread(self.work.close)

    def wake(self) -> None:
        for event in self._wake.values():
            event.set()

    async def finished(self, job_id: str, seconds: float) -> Job | None:
        """Return the job as soon as it is closed, or as it is when the time is up."""

        def closed() -> bool:
            job = self._journal.job(job_id)
            return job is None or job.closed

        try:
            async with asyncio.timeout(seconds), self._done:
                await self._done.wait_for(closed)
        except TimeoutError:
            log.info("still running", extra={"job": job_id})
        return await asyncio.to_thread(self._journal.job, job_id)

    async def _listen(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                news = await asyncio.to_thread(self._journal.has_news)
            except sqlite3.Error as error:
                log.warning("not listened", extra={"at": where(error)})
                continue
            if news:
                self.wake()
                async with self._done:
                    self._done.notify_all()

    async def _run(self, lane: Lane) -> None:
        while True:
            self._wake[lane].clear()
            if await self._took_one(lane):
                continue
            due = await asyncio.to_thread(self._journal.seconds_to_next, lane)
            wait = LONGEST_WAIT if due is None else min(max(due, 0.05), LONGEST_WAIT)
            try:
                await asyncio.wait_for(self._wake[lane].wait(), wait)
            except TimeoutError:
                continue

    async def _keep_readers_written(self) -> None:
        """Bring the chunks up to what the journal says; it decides alone until they are."""
        while True:
            try:
                written = await asyncio.to_thread(self.work.write_waiting_readers)
            except Exception as error:
                log.warning("readers not written", extra={"at": where(error)})
                written = 0
            if not written:
                await asyncio.sleep(LONGEST_WAIT)

    async def _took_one(self, lane: Lane) -> bool:
        job = await asyncio.to_thread(self._begun, lane)
        if job is None:
            return False
        await self._one(job)
        async with self._done:
            self._done.notify_all()
        self.wake()  # the other lane may have waited for this document
        return True

    def _begun(self, lane: Lane) -> Job | None:
        """Take a job and go in with it: it counts as running until its thread has ended."""
        if not self._turnstile.enter():
            return None
        job = None
        try:
            job = self._journal.take(lane, self._runner)
        finally:
            if job is None:
                self._turnstile.leave()
        return job

    async def _one(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def run() -> None:
            try:
                self.work.do(job)
            finally:
                self._turnstile.leave()
            with contextlib.suppress(RuntimeError):  # the loop is gone when the process ends
                loop.call_soon_threadsafe(ended.set)

        # A daemon: the process never waits for a long reading to end, its next start resumes it.
        threading.Thread(target=run, name="indexer", daemon=True).start()
        try:
            await ended.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), STOP_SECONDS)
            raise
