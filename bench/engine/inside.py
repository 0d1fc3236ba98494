"""The hand-written chain and our pipeline in one process: what the two cost without a server.

`python -m bench.engine.inside URL ROUNDS SECONDS` asks the stub services and prints the CPU
milliseconds of a question, round by round.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.engine import content
from bench.engine.environments import ROOT
from bench.engine.process import Cores, busy_share, core_times, on_core
from bench.engine.windows import is_void

IN_FLIGHT = 128
CHAIN, PIPELINE, CHECKED = "chain", "pipeline", "checked"

Ask = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Inside:
    """CPU milliseconds of a question, one number a round; nothing where the stub was too busy."""

    chain: list[float] = field(default_factory=list)
    pipeline: list[float] = field(default_factory=list)  # the same five calls, and the gate
    checked: list[float] = field(default_factory=list)  # and the answer held against its passages


def inside(stub_url: str, cores: Cores, rounds: int, seconds: float) -> Inside:
    """Measure in a process of its own, on the core of the system under test."""
    command = [sys.executable, "-m", "bench.engine.inside", stub_url, str(rounds), str(seconds)]
    environment = {
        **os.environ,
        "PEER_MODELS_URL": f"{stub_url}/v1",
        "PEER_QDRANT_URL": stub_url,
    }
    before = core_times(cores.rest)
    with on_core(cores.subject):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    if is_void(busy_share(before, core_times(cores.rest))):
        return Inside()
    return Inside(**json.loads(done.stdout))


async def _measured(stub_url: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    import aiohttp

    from bench.peers import work
    from bench.peers.handwritten.server import Chain
    from pipelines.asking import Asking, pipeline_inputs
    from pipelines.document_store import build_document_store
    from pipelines.query import build_query_pipeline
    from pipelines.settings import Endpoint, QuerySettings, StoreSettings

    url = work.MODELS_URL
    settings = QuerySettings(
        embedding=Endpoint(url=url, model=work.EMBEDDING),
        ranking=Endpoint(url=url, model=work.RANKING),
        llm=Endpoint(url=url, model=work.LLM),
    )
    store = build_document_store(
        StoreSettings(url=stub_url, dimension=content.DIMENSION), "documents"
    )
    asking = Asking(build_query_pipeline(store, settings), settings, "documents")

    async def pipeline() -> str:
        outputs = await asking.pipeline.run_async(pipeline_inputs(content.QUESTION))
        return outputs["llm"]["replies"][0].text or ""

    async def checked() -> str:
        return (await asking.ask(content.QUESTION)).answer

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        chain = Chain(session)
        asked: dict[str, Ask] = {
            CHAIN: lambda: chain.answer(content.QUESTION),
            PIPELINE: pipeline,
            CHECKED: checked,
        }
        found: dict[str, list[float]] = {name: [] for name in asked}
        for name, ask in asked.items():
            if not (await ask()).endswith(content.LAST_WORD):
                message = f"{name} gave no whole answer"
                raise RuntimeError(message)
            await _cpu_milliseconds(ask, seconds / 4)
        for _ in range(rounds):
            for name, ask in asked.items():
                found[name].append(await _cpu_milliseconds(ask, seconds))
        await asking.close()
    return found


async def _cpu_milliseconds(ask: Ask, seconds: float) -> float:
    """Keep IN_FLIGHT questions in flight for some seconds; those of the end count too."""
    ends = time.perf_counter() + seconds
    answered = 0

    async def caller() -> None:
        nonlocal answered
        while time.perf_counter() < ends:
            await ask()
            answered += 1

    before = time.process_time()
    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return 1000 * (time.process_time() - before) / answered


def main() -> None:
    import uvloop

    from app.memory import settle

    url, rounds, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

    async def run() -> dict[str, list[float]]:
        settle()
        return await _measured(url, rounds, seconds)

    print(json.dumps(uvloop.run(run())))


if __name__ == "__main__":
    main()
