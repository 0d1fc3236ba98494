"""Four times as many questions as can be answered: who is answered, who is refused, how fast."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.engine.load import Load, Sample
from bench.engine.servers import Server
from bench.engine.windows import percentile

TIMES = 4
REFUSALS = (429, 503)
NORMAL = 1.5  # times the healthy latency
RECOVERY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Overload:
    """What came of it; shares are of 1."""

    rate: float  # questions per second that were sent
    goodput: float  # whole answers per second, against the peak rate
    refused_p95: float  # seconds to a refusal
    with_retry_after: float  # of the refusals
    broken: int  # neither a whole answer nor a refusal
    recovery: float  # seconds until an answer takes as long as before


async def overload(server: Server, *, peak: float, healthy: float, seconds: float) -> Overload:
    """Send TIMES the peak rate for some seconds, then one question after the other."""
    load = Load(server.query)
    rate = TIMES * peak
    start = time.perf_counter()
    await load.arrive(rate, seconds)
    end = time.perf_counter()
    taken = [sample for sample in load.samples if sample.end <= end]
    recovery = await _recovery(server, NORMAL * healthy)
    await load.close()
    return judged(taken, seconds=end - start, rate=rate, peak=peak, recovery=recovery)


def judged(
    taken: Sequence[Sample], *, seconds: float, rate: float, peak: float, recovery: float
) -> Overload:
    """Read an Overload off the samples of the overloaded time."""
    whole = [sample for sample in taken if sample.whole]
    refused = [sample for sample in taken if sample.status in REFUSALS]
    told = [sample for sample in refused if sample.retry_after]
    return Overload(
        rate=rate,
        goodput=len(whole) / seconds / peak,
        refused_p95=percentile([sample.end - sample.start for sample in refused], 95),
        with_retry_after=len(told) / len(refused) if refused else 1.0,
        broken=len(taken) - len(whole) - len(refused),
        recovery=recovery,
    )


async def _recovery(server: Server, normal: float) -> float:
    start = time.perf_counter()
    single = Load(server.query)
    asking = asyncio.ensure_future(single.keep(1))
    try:
        while (passed := time.perf_counter() - start) < RECOVERY_SECONDS:
            for sample in single.samples:
                if sample.whole and sample.end - sample.start < normal:
                    return sample.start - start
            await asyncio.sleep(0.02)
        return passed
    finally:
        await asking
        await single.close()
