"""Measures one server under one load, and nothing else."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.engine.load import Load, Request, Sample
from bench.engine.process import Cores, busy_share, core_times, cpu_seconds, memory_mib
from bench.engine.servers import Server
from bench.engine.windows import Window

QUIET_SHARE = 0.1  # of a core, used by a server that has nothing to do
QUIET_SECONDS = 0.3
SAMPLING = 0.1


@dataclass
class Use:
    """What a server and the two cores used during a block."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    stub_busy: float = 0.0
    foreign: float = 0.0
    memory: list[float] = field(default_factory=list)

    @property
    def peak_mib(self) -> float:
        return max(self.memory)


@asynccontextmanager
async def metered(server: Server, cores: Cores) -> AsyncIterator[Use]:
    """Count what is used while the block runs."""
    use = Use()

    async def watch() -> None:
        while True:
            use.memory.append(memory_mib(server.pid))
            await asyncio.sleep(SAMPLING)

    watching = asyncio.create_task(watch())
    before = time.perf_counter(), cpu_seconds(server.pid)
    subject, rest = core_times(cores.subject), core_times(cores.rest)
    try:
        yield use
    finally:
        use.seconds = time.perf_counter() - before[0]
        use.cpu_seconds = cpu_seconds(server.pid) - before[1]
        use.stub_busy = busy_share(rest, core_times(cores.rest))
        own = use.cpu_seconds / use.seconds
        use.foreign = max(0.0, busy_share(subject, core_times(cores.subject)) - own)
        use.memory.append(memory_mib(server.pid))
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def window(
    server: Server,
    what: str,
    request: Request,
    cores: Cores,
    *,
    concurrency: int,
    seconds: float,
    longest: float,
) -> Window:
    """Keep `concurrency` questions in flight and count the answers of some seconds.

    A slow server gets longer, until as many answers as questions in flight have come, so that
    each connection counts about equally; but not more than `longest`.
    """
    load = Load(request)
    keeping = asyncio.ensure_future(load.keep(concurrency))
    await asyncio.sleep(min(1.0, seconds / 4))
    await keeping
    async with metered(server, cores) as use:
        load.samples.clear()
        start = time.perf_counter()
        await asyncio.sleep(seconds)
        while len(load.samples) < concurrency and time.perf_counter() - start < longest:
            await asyncio.sleep(0.05)
        taken = list(load.samples)
    await load.close()
    await settled(server, longest)
    return _window(server, what, concurrency, taken, use)


async def settled(server: Server, longest: float) -> None:
    """Wait until a server has ended what nobody waits for any more."""
    end = time.perf_counter() + longest
    while time.perf_counter() < end:
        before = cpu_seconds(server.pid)
        await asyncio.sleep(QUIET_SECONDS)
        if cpu_seconds(server.pid) - before < QUIET_SHARE * QUIET_SECONDS:
            return


def _window(server: Server, what: str, concurrency: int, taken: list[Sample], use: Use) -> Window:
    whole = [sample for sample in taken if sample.whole]
    return Window(
        server=server.name,
        what=what,
        concurrency=concurrency,
        seconds=use.seconds,
        latencies=[sample.end - sample.start for sample in whole],
        first_texts=[sample.first - sample.start for sample in whole],
        failed=len(taken) - len(whole),
        cpu_seconds=use.cpu_seconds,
        stub_busy=use.stub_busy,
        foreign=use.foreign,
        peak_mib=use.peak_mib,
    )
