"""The load generator against the stub services, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bench.engine import content
from bench.engine.load import Load, Request
from bench.engine.stub import Delays, Stub
from bench.engine.stub_server import Connection

CHAT = {"messages": [{"role": "user", "content": content.QUESTION}]}


@asynccontextmanager
async def served(stub: Stub) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def request(url: str, **members: object) -> Request:
    return Request.post(f"{url}/v1/chat/completions", CHAT | members, content.LAST_WORD)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0.005)


async def taken(load: Load, count: int) -> None:
    await until(lambda: len(load.samples) >= count)


def test_a_closed_loop_asks_again_when_it_is_answered() -> None:
    async def run() -> Load:
        async with served(Stub(Delays(chat=0.005))) as url:
            load = Load(request(url))
            await load.keep(3)
            await taken(load, 12)
            await load.close()
            return load

    load = asyncio.run(run())

    assert all(sample.whole and sample.status == 200 for sample in load.samples)
    assert all(sample.end - sample.start >= 0.004 for sample in load.samples)


def test_the_first_text_of_a_stream_comes_before_its_end() -> None:
    async def run() -> Load:
        async with served(Stub(Delays(chat=0.2))) as url:
            load = Load(request(url, stream=True))
            await load.keep(1)
            await taken(load, 1)
            await load.close()
            return load

    sample = asyncio.run(run()).samples[0]

    assert sample.whole
    assert sample.start < sample.first < sample.end


def test_a_refusal_is_no_whole_answer() -> None:
    async def run() -> Load:
        stub = Stub(failing=1.0)
        async with served(stub) as url:
            load = Load(request(url))
            await load.arrive(rate=100, seconds=0.05)
            await taken(load, 5)
            await load.close()
            return load

    load = asyncio.run(run())

    assert {sample.status for sample in load.samples} == {503}
    assert not any(sample.whole for sample in load.samples)


def test_who_is_late_still_reads_answers_and_needs_few_connections() -> None:
    async def run() -> tuple[Load, int]:
        async with served(Stub(Delays(chat=0.0))) as url:
            load = Load(request(url))
            await load.arrive(rate=1e6, seconds=0.0005)
            await taken(load, 500)
            connections = len(load._connections)
            await load.close()
            return load, connections

    load, connections = asyncio.run(run())

    assert len(load.samples) == 500
    assert connections < 100


def test_who_hangs_up_in_the_middle_of_a_stream_is_counted() -> None:
    stub = Stub(Delays(chat=5.0))

    async def run() -> None:
        async with served(stub) as url:
            load = Load(request(url, stream=True))
            await load.keep(2)
            await until(lambda: stub.counts["/v1/chat/completions"] == 2)
            await load.close()
            await until(lambda: stub.counts["aborted"] == 2)

    asyncio.run(run())
