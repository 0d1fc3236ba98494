"""What uvicorn's protocol refuses by itself, over real sockets: questions while the house is full,
and what strangers send that has no end.
"""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable

import pytest

from app import doorstep
from app.doorstep import LONGEST_BODY, LONGEST_HEAD, MOST_HEADERS, MOST_WAITING, Doorstep
from tests.app.house import Caller, House, in_a_house, until


def in_a_full_house(visit: Callable[[House, Caller], Awaitable[None]]) -> None:
    async def fill(house: House) -> None:
        inside = await Caller.of(house)
        inside.say("POST", "/rag")
        await house.inside.wait()
        await visit(house, inside)

    in_a_house(House(), fill)


@pytest.mark.parametrize("path", ["/rag", "/query/run", "/v1/chat/completions", "/v1/search"])
def test_a_question_too_many_is_told_when_to_come_back_and_keeps_its_connection(path: str) -> None:
    async def visit(house: House, inside: Caller) -> None:
        caller = await Caller.of(house)
        first, second = [await caller.ask("POST", path) for _ in range(2)]

        assert (first.status, first.headers["retry-after"]) == (429, "1")
        assert json.loads(first.body)["type"] == "urn:stackyard:problem:busy"
        assert first.headers["content-type"] == "application/problem+json"
        assert first.headers["cache-control"] == "no-store"
        assert len(first.headers["x-request-id"]) == 32
        assert first.headers["x-request-id"] != second.headers["x-request-id"]
        house.leave.set()
        assert (await inside.hear()).status == 200
        assert (await caller.ask("POST", path)).status == 200
        assert f'route="{path}",status="429"}} 2' in house.metrics.text()

    in_a_full_house(visit)


def test_health_and_unknown_addresses_are_answered_as_ever() -> None:
    async def visit(house: House, _inside: Caller) -> None:
        asked = [("GET", "/healthz"), ("POST", "/nothing"), ("GET", "/rag")]
        heard = [await (await Caller.of(house)).ask(*each, b"") for each in asked]

        assert [each.status for each in heard] == [200, 404, 405]

    in_a_full_house(visit)


def test_a_long_body_is_turned_away_by_the_guard() -> None:
    async def visit(house: House, _inside: Caller) -> None:
        caller = await Caller.of(house)

        heard = await caller.ask("POST", "/rag", b"x" * (LONGEST_BODY + 1))

        assert (heard.status, heard.headers["retry-after"]) == (429, "1")

    in_a_full_house(visit)


def test_of_a_crowd_that_comes_at_once_one_gets_the_one_place() -> None:
    async def visit(house: House, inside: Caller) -> None:
        house.leave.set()
        await inside.hear()
        house.leave.clear()
        crowd = [await Caller.of(house) for _ in range(4)]

        for caller in crowd:
            caller.say("POST", "/rag")
        hearing = asyncio.gather(*(caller.hear() for caller in crowd))
        await until(lambda: house.guard.turned_away == 3)
        house.leave.set()

        heard = await hearing
        assert sorted(each.status for each in heard) == [200, 429, 429, 429]
        assert not any("connection" in each.headers for each in heard)

    in_a_full_house(visit)


def test_who_hangs_up_makes_room() -> None:
    async def visit(house: House, inside: Caller) -> None:
        inside.hang_up()
        await until(lambda: not house.metrics.in_flight)

        house.leave.set()
        assert (await (await Caller.of(house)).ask("POST", "/rag")).status == 200

    in_a_full_house(visit)


def test_refusals_are_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def visit(house: House, _inside: Caller) -> None:
        caller = await Caller.of(house)
        for _ in range(5):
            await caller.ask("POST", "/rag")
        await asyncio.sleep(1.1)

    with caplog.at_level(logging.WARNING):
        in_a_full_house(visit)

    lines = [record for record in caplog.records if record.name == "app.doorstep"]
    assert [vars(line)["refused"] for line in lines] == [5]


@pytest.mark.parametrize("path", ["/rag", "/pipelines/any-name/run"])
def test_a_refusal_is_counted_under_its_route_whatever_the_address_was(path: str) -> None:
    async def visit(house: House, _inside: Caller) -> None:
        assert (await (await Caller.of(house)).ask("POST", path)).status == 429

        template = path.replace("any-name", "{name}")
        assert f'route="{template}",status="429"}} 1' in house.metrics.text()
        assert "any-name" not in house.metrics.text()

    in_a_full_house(visit)


BEGINNING = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    "head",
    [
        BEGINNING + b"x: " + b"a" * LONGEST_HEAD,
        b"GET /" + b"a" * LONGEST_HEAD,
        BEGINNING + b"a: \r\n" * MOST_HEADERS + b"b",
        BEGINNING + b"a: \r\n" * MOST_HEADERS + b"\r\n",
        BEGINNING + b"x: " + b"a" * LONGEST_HEAD + b"\r\n\r\n",
        b"\r\n" * (LONGEST_HEAD // 2 + 1),
    ],
    ids=["header", "address", "headers", "whole-headers", "whole-header", "lines"],
)
def test_a_head_that_is_too_large_is_refused_before_its_end(head: bytes) -> None:
    async def visit(house: House, _inside: Caller) -> None:
        caller = await Caller.of(house)

        caller.send(head)
        heard = await caller.hear()

        assert heard.status == 431
        assert json.loads(heard.body)["type"] == "urn:stackyard:problem:head-too-large"
        assert heard.headers["connection"] == "close"
        assert await caller.closed() == b""

    in_a_full_house(visit)


def test_a_large_head_and_one_that_comes_in_pieces_are_heard() -> None:
    async def visit(house: House, _inside: Caller) -> None:
        caller = await Caller.of(house)
        large = BEGINNING + b"x: y\r\n" * 90 + b"cookie: " + b"c" * 60_000 + b"\r\n\r\n"

        for size in (len(large), 5000):
            for at in range(0, len(large), size):
                caller.send(large[at : at + size])
                await asyncio.sleep(0.001)
            assert (await caller.hear()).status == 200

    in_a_full_house(visit)


def test_a_long_body_is_no_head() -> None:
    async def visit(house: House, inside: Caller) -> None:
        house.leave.set()
        await inside.hear()
        caller = await Caller.of(house)

        for _ in range(2):
            heard = await caller.ask("POST", "/rag", b"x" * (4 * LONGEST_HEAD))

            assert heard.status == 200

    in_a_full_house(visit)


@pytest.mark.parametrize("said", [b"", BEGINNING, BEGINNING + b"x"])
def test_who_never_ends_a_head_is_closed(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(house: House, inside: Caller) -> None:
        caller, again = await Caller.of(house), await Caller.of(house)
        await again.ask("GET", "/healthz", b"")
        monkeypatch.setattr(doorstep, "HEAD_SECONDS", 0.1)
        again.send(said or b"\r\n")
        late = await Caller.of(house)
        late.send(said)

        assert await again.closed() == b""
        assert await late.closed() == b""
        monkeypatch.setattr(doorstep, "HEAD_SECONDS", 20.0)
        assert (await caller.ask("GET", "/healthz", b"")).status == 200
        house.leave.set()
        assert (await inside.hear()).status == 200

    in_a_full_house(visit)


def test_a_refused_question_whose_body_never_comes_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def visit(house: House, _inside: Caller) -> None:
        caller = await Caller.of(house)
        monkeypatch.setattr(doorstep, "HEAD_SECONDS", 0.1)

        caller.send(b"POST /rag HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")

        assert await caller.closed() == b""

    in_a_full_house(visit)


def test_trailers_without_an_end_are_cut() -> None:
    async def visit(house: House, inside: Caller) -> None:
        house.leave.set()
        await inside.hear()
        house.leave.clear()
        caller = await Caller.of(house)
        caller.send(b"POST /rag HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        caller.send(b"2\r\n{}\r\n0\r\n")
        await asyncio.sleep(0.05)

        caller.send(b"x: " + b"a" * 2 * LONGEST_HEAD)

        assert await caller.closed() == b""

    in_a_full_house(visit)


def test_chunks_whose_lengths_come_alone_are_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(house: House, inside: Caller) -> None:
        house.leave.set()
        await inside.hear()
        monkeypatch.setattr(doorstep, "LONGEST_HEAD", 100)
        caller = await Caller.of(house)
        caller.send(b"POST /rag HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")

        for _ in range(20):
            for piece in (b"00000002\r\n", b"{}\r\n"):
                caller.send(piece)
                await asyncio.sleep(0.005)
        caller.send(b"0\r\n\r\n")

        assert (await caller.hear()).status == 200
        assert house.bodies[-1] == b"{}" * 20

    in_a_full_house(visit)


def test_a_refused_question_in_pieces_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(house: House, _inside: Caller) -> None:
        monkeypatch.setattr(doorstep, "LONGEST_HEAD", 200)
        caller = await Caller.of(house)

        caller.say("POST", "/rag", b"x", lacking=300)
        for _ in range(3):
            await asyncio.sleep(0.01)
            caller.send(b"x" * 100)

        assert (await caller.hear()).status == 429

    in_a_full_house(visit)


def test_few_requests_wait_behind_an_answer() -> None:
    async def visit(house: House, inside: Caller) -> None:
        inside.send((BEGINNING + b"\r\n") * (MOST_WAITING + 1))

        assert await inside.closed() == b""

    in_a_full_house(visit)


def test_an_idle_connection_makes_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(house: House, inside: Caller) -> None:
        idle = await Caller.of(house)
        await idle.ask("GET", "/healthz", b"")
        monkeypatch.setattr(doorstep, "MOST_CONNECTIONS", 2)

        new = await Caller.of(house)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await new.ask("GET", "/healthz", b"")
        ended = [each for each in (idle, new) if each.ended]

        assert len(ended) == 1
        house.leave.set()
        assert (await inside.hear()).status == 200

    in_a_full_house(visit)


def test_the_head_of_a_head_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the doorstep writes by itself, and whoever closes the connection, come behind it.
    seen: list[bytes] = []
    ended = Doorstep.on_response_complete

    async def visit(house: House) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_connection(house.address) as caller:

            def look(self: Doorstep) -> None:
                seen.append(caller.recv(2**16))
                ended(self)

            monkeypatch.setattr(Doorstep, "on_response_complete", look)
            caller.setblocking(False)
            await loop.sock_sendall(caller, b"HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            await until(lambda: bool(seen))

    in_a_house(House(), visit)

    assert seen[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert seen[0].endswith(b"\r\n\r\n")
