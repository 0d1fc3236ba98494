"""Calls to a service that fails in every way, over real HTTP."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

import pytest

from pipelines.errors import StageError
from pipelines.transport.circuit import THRESHOLD
from pipelines.transport.client import Client
from pipelines.transport.session import _shared

T = TypeVar("T")
KEY = "SECRET-KEY"


class Service:
    """Answers what is planned, then 200; a status of 0 cuts the connection."""

    def __init__(self) -> None:
        self.planned: list[tuple[int, dict[str, str]]] = []
        self.asked = 0
        self.connections = 0
        self.delay = 0.0
        self.pieces = [b"whole"]
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                service.connections += 1
                super().setup()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output quiet."""

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                service.asked += 1
                time.sleep(service.delay)
                status, headers = service.planned.pop(0) if service.planned else (200, {})
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(sum(map(len, service.pieces))))
                self.end_headers()
                for piece in service.pieces:
                    try:
                        self.wfile.write(piece)
                        self.wfile.flush()
                    except ConnectionError:
                        return
                    time.sleep(service.delay)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/ranking"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(
        target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(timeout=5)


def client(url: str, *, deadline: float = 5.0, attempts: int = 4) -> Client:
    headers = {"Authorization": f"Bearer {KEY}"}
    return Client("ranking", url, headers, deadline=deadline, attempts=attempts)


def called(made: Client, call: Callable[[Client], Awaitable[T]]) -> T:
    async def once() -> T:
        try:
            return await call(made)
        finally:
            await made.close()

    return asyncio.run(once())


def post(made: Client) -> Awaitable[bytes]:
    return made.post(b"{}")


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(service: Service, status: int) -> None:
    service.planned = [(status, {}), (status, {})]

    assert called(client(service.url), post) == b"whole"
    assert service.asked == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
def test_what_does_not_pass_is_told_at_once(service: Service, status: int) -> None:
    service.planned = [(status, {})]

    with pytest.raises(StageError) as caught:
        called(client(service.url), post)

    assert (caught.value.status, caught.value.retryable, service.asked) == (status, False, 1)


def test_a_retry_waits_as_long_as_the_service_asks(service: Service) -> None:
    service.planned = [(429, {"Retry-After": "1"})]
    began = time.monotonic()

    called(client(service.url), post)

    assert time.monotonic() - began >= 1


def test_a_wait_beyond_the_deadline_is_not_begun(service: Service) -> None:
    service.planned = [(503, {"Retry-After": "60"})]

    with pytest.raises(StageError) as caught:
        called(client(service.url, deadline=1.0), post)

    assert (caught.value.status, service.asked) == (503, 1)


def test_a_deadline_holds_for_all_attempts(service: Service) -> None:
    service.delay = 2.0

    with pytest.raises(StageError) as caught:
        called(client(service.url, deadline=0.2), post)

    assert (caught.value.kind, service.asked) == ("timeout", 1)


def test_a_service_that_is_away_is_named_without_address_or_key(service: Service) -> None:
    service.server.server_close()

    with pytest.raises(StageError) as caught:
        called(client(service.url, attempts=2), post)

    assert str(caught.value) == "ranking failed: ranking cannot be reached"
    assert KEY not in repr(caught.value.__dict__)


def test_a_service_that_keeps_failing_is_left_alone(service: Service) -> None:
    service.planned = [(503, {})] * 100

    async def many(made: Client) -> list[str]:
        kinds: list[str] = []
        for _ in range(THRESHOLD + 5):
            try:
                await made.post(b"{}")
            except StageError as error:
                kinds.append(error.kind)
        return kinds

    kinds = called(client(service.url, attempts=1), many)

    assert kinds == ["status"] * THRESHOLD + ["resting"] * 5
    assert service.asked == THRESHOLD


def test_all_calls_share_one_connection_pool(service: Service) -> None:
    async def both(made: Client) -> int:
        other = client(service.url)
        await made.post(b"{}")
        await other.post(b"{}")
        sessions = len(_shared)
        await other.close()
        return sessions

    assert called(client(service.url), both) == 1
    assert service.connections == 1


def test_the_last_user_closes_the_session(service: Service) -> None:
    called(client(service.url), post)

    assert len(_shared) == 0


def test_a_client_is_good_for_another_event_loop(service: Service) -> None:
    made = client(service.url)

    assert called(made, post) == called(made, post) == b"whole"


def test_a_stream_comes_in_pieces_and_closing_it_early_hangs_up(service: Service) -> None:
    service.pieces, service.delay = [b"one", b"two", b"three"], 0.1

    async def first(made: Client) -> bytes:
        async with made.stream(b"{}") as reads:
            async for piece in reads:
                return piece
        raise AssertionError

    assert called(client(service.url), first) == b"one"


def test_a_stream_that_stalls_is_given_up_at_its_deadline(service: Service) -> None:
    service.pieces, service.delay = [b"one", b"two"], 1.0

    async def all_of_it(made: Client) -> list[bytes]:
        async with made.stream(b"{}") as reads:
            return [piece async for piece in reads]

    with pytest.raises(StageError) as caught:
        called(client(service.url, deadline=0.3), all_of_it)

    assert caught.value.kind == "timeout"


def test_no_attempt_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="attempts is 0"):
        client("http://127.0.0.1:1/v1", attempts=0)
