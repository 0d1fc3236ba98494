"""The HTTP/1.1 client against servers that say each thing that HTTP lets them say, and worse."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipelines.errors import StageError
from pipelines.transport.client import Client
from tests.fakes.authority import Authority

LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole"
CLOSING = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwhole"
ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"
Call = Callable[[Client], Awaitable[object]]


class Server:
    """Answers each request with the next of `answers`, as these bytes; None hangs up instead."""

    def __init__(
        self, *answers: bytes | None, then_close: bool = False, slowly: bool = False
    ) -> None:
        self.answers = list(answers)
        self.then_close = then_close
        self.slowly = slowly
        self.requests: list[bytes] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self.url = ""
        self.visits: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        visit = asyncio.current_task()
        assert visit is not None
        self.visits[visit] = writer
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                for piece in (
                    [answer[i : i + 1] for i in range(len(answer))] if self.slowly else [answer]
                ):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.then_close:
                    return
            await reader.read()
            self.hung_up.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()

    async def leave(self) -> None:
        """End every visit; an unclosed socket would be another test's warning."""
        for writer in self.visits.values():
            writer.close()
        await asyncio.gather(*self.visits)
        await asyncio.gather(
            *(writer.wait_closed() for writer in self.visits.values()), return_exceptions=True
        )


@asynccontextmanager
async def serving(server: Server, trusted: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=trusted)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if trusted else 'http'}://localhost:{port}/v1/ranking?wait=true"
    try:
        yield server
    finally:
        listening.close()
        await server.leave()


def called(server: Server, *calls: Call, attempts: int = 1, deadline: float = 5.0) -> list[object]:
    """Make the calls one after the other over one client; an error is a result."""

    async def all_of_them() -> list[object]:
        async with serving(server):
            headers = {"Authorization": "Bearer key"}
            client = Client("ranking", server.url, headers, deadline=deadline, attempts=attempts)
            found: list[object] = []
            for call in calls:
                try:
                    found.append(await call(client))
                except StageError as error:
                    found.append(error.kind)
            await client.close()
            return found

    return asyncio.run(all_of_them())


async def post(client: Client) -> bytes:
    return await client.post(b'{"a":1}')


async def stream(client: Client) -> bytes:
    async with client.stream(b"{}") as reads:
        return b"".join([data async for data in reads])


async def rest(_client: Client) -> None:
    await asyncio.sleep(0.1)


def test_a_request_is_what_a_server_expects() -> None:
    server = Server(LONG)

    called(server, post)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /v1/ranking?wait=true HTTP/1.1"
    assert dict(line.split(": ", 1) for line in lines) == {
        "host": server.url.split("/")[2],
        "Content-Type": "application/json",
        "Authorization": "Bearer key",
        "content-length": "7",
    }
    assert body == b'{"a":1}'


@pytest.mark.parametrize("ask", [post, stream])
@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        CLOSING,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + LONG,
        b"HTTP/1.1 200\r\nContent-Length:5\r\n\r\nwhole",
    ],
)
@pytest.mark.parametrize("slowly", [False, True])
def test_a_reply_may_come_in_every_form(ask: Call, answer: bytes, slowly: bool) -> None:
    server = Server(answer, answer, slowly=slowly)

    assert called(server, ask, ask) == [b"whole", b"whole"]


@pytest.mark.parametrize("ask", [post, stream])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_without_a_length_the_end_of_the_connection_ends_a_reply(ask: Call, version: bytes) -> None:
    server = Server(b"HTTP/%b 200 OK\r\n\r\nwhole" % version, then_close=True)

    assert called(server, ask) == [b"whole"]


def test_one_connection_carries_call_after_call() -> None:
    server = Server(LONG, LONG, LONG)

    called(server, post, stream, post)

    assert server.connections == 1


def test_a_server_that_says_close_is_not_asked_again_over_it() -> None:
    server = Server(CLOSING, LONG)

    assert called(server, post, post) == [b"whole", b"whole"]
    assert server.connections == 2


def test_a_connection_that_went_stale_costs_no_attempt() -> None:
    server = Server(LONG, LONG, then_close=True)

    assert called(server, post, rest, post) == [b"whole", None, b"whole"]


def test_one_that_is_closed_in_the_moment_of_asking_costs_no_attempt() -> None:
    server = Server(LONG, None, LONG)

    assert called(server, post, post) == [b"whole", b"whole"]
    assert server.connections == 2


def test_a_fresh_connection_that_is_cut_is_an_attempt() -> None:
    assert called(Server(None, LONG), post) == ["unreachable"]
    assert called(Server(None, LONG), post, attempts=2) == [b"whole"]


@pytest.mark.parametrize("ask", [post, stream])
@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nwhole",
    ],
)
def test_what_is_no_whole_reply_is_an_error(ask: Call, answer: bytes) -> None:
    server = Server(answer, then_close=True)

    assert called(server, ask) == ["unreachable"]


def test_what_nobody_asked_for_ends_the_connection() -> None:
    server = Server(LONG + LONG, LONG)

    assert called(server, post, rest, post) == [b"whole", None, b"whole"]
    assert server.connections == 2


def test_a_refusal_keeps_the_connection_if_it_is_short() -> None:
    short = b"HTTP/1.1 422 No\r\ncontent-length: 2\r\n\r\n{}"
    long = b"HTTP/1.1 422 No\r\ncontent-length: 99999\r\n\r\n" + 99999 * b"x"

    assert called(kept := Server(short, LONG), post, post) == ["status", b"whole"]
    assert called(cut := Server(long, LONG), post, post) == ["status", b"whole"]
    assert (kept.connections, cut.connections) == (1, 2)


def test_a_reply_that_stops_in_the_middle_is_late() -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf"

    assert called(Server(half), post, deadline=0.2) == ["timeout"]
    assert called(Server(ENDLESS), stream, deadline=0.2) == ["timeout"]


def test_a_call_that_is_cancelled_hangs_up() -> None:
    async def cancel() -> None:
        async with serving(Server(ENDLESS)) as server:
            client = Client("ranking", server.url, {}, deadline=5, attempts=1)
            task = asyncio.create_task(stream(client))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait_for(server.hung_up.wait(), 1)
            await client.close()

    asyncio.run(cancel())


def test_a_reader_that_is_slow_does_not_make_the_reply_pile_up() -> None:
    size = 2**24
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size

    async def slow(client: Client) -> int:
        largest = total = 0
        async with client.stream(b"{}") as reads:
            async for data in reads:
                largest, total = max(largest, len(data)), total + len(data)
                await asyncio.sleep(0.005)
        assert total == size
        return largest

    (largest,) = called(Server(answer), slow)

    assert isinstance(largest, int)
    assert largest < size / 4


def test_a_key_of_two_lines_is_refused_and_not_told() -> None:
    async def ask(client: Client) -> str:
        broken = Client("ranking", "http://127.0.0.1:1/v1", {"k": "a\nb"}, deadline=1, attempts=1)
        with pytest.raises(ValueError, match="a header has a line break in it") as caught:
            await broken.post(b"{}")
        return str(caught.value)

    (said,) = called(Server(LONG), ask)

    assert "a\nb" not in str(said)


def test_a_proxy_gets_what_the_environment_sends_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def through() -> tuple[bytes, bytes, list[bytes]]:
        async with serving(Server(LONG, LONG)) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.partition("/v1")[0])
            monkeypatch.setenv("no_proxy", "inside.test")
            client = Client("ranking", "http://models.test/v1", {}, deadline=5, attempts=1)
            whole, streamed = await post(client), await stream(client)
            await client.close()
            return whole, streamed, [each.split(b" ")[1] for each in proxy.requests]

    whole, streamed, targets = asyncio.run(through())

    assert (whole, streamed) == (b"whole", b"whole")
    assert targets == [b"http://models.test/v1"] * 2


def test_a_host_that_the_environment_excepts_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "localhost")

    assert called(Server(LONG), post) == [b"whole"]


def test_tls_is_checked_against_the_trusted_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context = authority.pair("service").context()

    async def ask() -> object:
        async with serving(Server(LONG), context) as server:
            client = Client("ranking", server.url, {}, deadline=5, attempts=1)
            try:
                return await post(client)
            except StageError as error:
                return error.kind
            finally:
                await client.close()

    assert asyncio.run(ask()) == "certificate"
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert asyncio.run(ask()) == b"whole"
