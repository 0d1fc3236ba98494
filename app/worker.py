"""`python -m app.worker`: a helper on the app's own data and queue, for the time of a bulk load.

It reads, embeds and writes uploads beside the process that leads, serves nothing, and ends when
nothing has been left to do for a while. What a killed one had is taken up by the others.
"""

import argparse
import asyncio
import logging
import signal
import sys

from app import log
from app.memory import leave_out_telemetry, load_store_client
from app.settings import (
    Settings,
    SettingsProblem,
    load_settings,
    prepare_frameworks,
    trust_authorities,
)

logger = logging.getLogger("app.worker")
LOOK_SECONDS = 1.0
IDLE_SECONDS = 60.0


def main() -> int:
    """Work until the queue is empty; 2 means that the environment is wrong."""
    parser = argparse.ArgumentParser(prog="python -m app.worker")
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, help="seconds without work until it ends"
    )
    idle = parser.parse_args().idle
    prepare_frameworks()
    log.configure()
    try:
        settings = load_settings()
        trust_authorities(settings)
        leave_out_telemetry()
        load_store_client()
        asyncio.run(work(settings, idle))
    except SettingsProblem as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


async def work(settings: Settings, idle: float) -> None:
    """Take uploads from the queue until none has been there for `idle` seconds, or SIGTERM."""
    # Imported late: Haystack and Hayhooks read the environment while they are imported.
    from app.service import build

    service = build(settings, helper=True)
    log.configure()
    await asyncio.to_thread(service.reembedding.check, leads=False)
    indexer, journal = service.library.indexer, service.library.journal
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)

    def is_there(runner: str) -> bool:
        # Without a token are jobs of a version that knew no helpers: the next leader's business.
        return not runner or service.presence.is_alive(runner)

    await indexer.start()
    indexer.help()
    logger.info("helps")
    last = loop.time()
    while not told.is_set():
        if await asyncio.to_thread(journal.resume, is_there):
            indexer.wake()
        if not await asyncio.to_thread(journal.is_idle):
            last = loop.time()
        elif loop.time() - last >= idle:
            break
        try:
            await asyncio.wait_for(told.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue
    await indexer.stop()
    await indexer.close()
    await asyncio.to_thread(service.index.close)
    logger.info("helped")


if __name__ == "__main__":
    sys.exit(main())
