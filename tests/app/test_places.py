"""Whom one caller leaves room: bodies that never come, questions, uploads and streams."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import guard
from app.access.door import Door
from app.access.identity import Role
from app.access.key_store import KeyStore
from tests.app.house import Caller, House, in_a_house, until

PLACES = 4


class Keys:
    """A reader's, a contributor's and an admin's."""

    def __init__(self, folder: Path) -> None:
        self.store = KeyStore(folder / "keys.sqlite3")
        self.reader, self.other = self._made("reader", "reader"), self._made("other", "reader")
        self.contributor = self._made("contributor", "contributor")
        self.admin = self._made("admin", "admin")

    def _made(self, subject: str, role: Role) -> str:
        _, text = self.store.create(
            subject=subject, role=role, groups=(), collections=None, rate=None, expires=None,
            created_by="test",
        )  # fmt: skip
        return text


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(tmp_path)
    yield keys
    keys.store.close()


def a_house(keys: Keys) -> House:
    return House(places=PLACES, door=Door(ring=None, store=keys.store))


async def held(house: House, key: str, path: str, *, lacking: int, method: str = "POST") -> None:
    """Send requests until no more are let in, as many as there are places."""
    for _ in range(PLACES):
        (await Caller.of(house, key)).say(method, path, lacking=lacking)
    await until(lambda: house.metrics.in_flight >= PLACES // 2)
    await asyncio.sleep(0.1)


def test_bodies_that_never_come_take_no_place_of_others(keys: Keys) -> None:
    async def visit(house: House) -> None:
        await held(house, keys.reader, "/v1/search", lacking=1)
        await held(house, keys.other, "/v1/search", lacking=1)
        house.leave.set()

        for key in (keys.admin, keys.reader, keys.other):
            assert (await (await Caller.of(house, key)).ask("POST", "/v1/search")).status == 200

    in_a_house(a_house(keys), visit)


def test_a_body_that_does_not_come_is_given_up_early(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def visit(house: House) -> None:
        caller = await Caller.of(house, keys.reader)
        monkeypatch.setattr(guard, "BODY_SECONDS", 0.1)

        caller.say("POST", "/v1/search", lacking=1)
        heard = await caller.hear()

        assert heard.status == 408
        assert json.loads(heard.body)["type"] == "urn:stackyard:problem:body-too-slow"
        assert not house.metrics.in_flight

    in_a_house(a_house(keys), visit)


def test_a_body_in_pieces_is_waited_for(keys: Keys) -> None:
    async def visit(house: House) -> None:
        house.leave.set()
        caller = await Caller.of(house, keys.reader)

        caller.say("POST", "/v1/search", b"{", lacking=2)
        await asyncio.sleep(0.05)
        caller.send(b" ")
        await asyncio.sleep(0.05)
        caller.send(b"}")

        assert (await caller.hear()).status == 200
        assert house.bodies == [b"{ }"]

    in_a_house(a_house(keys), visit)


def test_one_caller_has_at_most_half_of_the_places(keys: Keys) -> None:
    async def visit(house: House) -> None:
        await held(house, keys.reader, "/rag", lacking=0)

        refused = await (await Caller.of(house, keys.reader)).ask("POST", "/rag")

        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert json.loads(refused.body)["detail"].startswith("2 of yours are running")
        other = await Caller.of(house, keys.other)
        other.say("POST", "/rag")
        await until(lambda: house.metrics.in_flight == PLACES // 2 + 1)
        house.leave.set()
        assert (await other.hear()).status == 200

    in_a_house(a_house(keys), visit)


@pytest.mark.parametrize(
    ("method", "path", "lacking"),
    [("POST", "/v1/documents", 1), ("GET", f"/v1/jobs/{'a' * 32}/events", 0)],
)
def test_uploads_and_streams_take_no_place_of_questions(
    keys: Keys, method: str, path: str, lacking: int
) -> None:
    async def visit(house: House) -> None:
        for key in (keys.contributor, keys.admin):
            await held(house, key, path, lacking=lacking, method=method)

        for _ in range(PLACES):
            (await Caller.of(house, keys.admin)).say("POST", "/rag")
        await until(lambda: house.metrics.in_flight == 2 * PLACES)

        refused = await (await Caller.of(house, keys.other)).ask("POST", "/rag")
        assert refused.status == 429

    in_a_house(a_house(keys), visit)
