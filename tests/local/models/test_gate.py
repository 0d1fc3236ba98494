"""The bounded queue in front of a model."""

import asyncio
from collections.abc import Callable

import pytest

from local.models.gate import Gate
from local.models.refusals import Refusal


def test_a_request_beyond_the_queue_is_refused_with_503() -> None:
    async def scenario() -> Refusal:
        gate = Gate(running=1, waiting=1)
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as caught:
            await gate.enter()
        assert (gate.running, gate.waiting) == (1, 1)
        gate.leave()
        await waiting
        return caught.value

    refusal = asyncio.run(scenario())

    assert refusal.status == 503
    assert refusal.headers == {"retry-after": "1"}


def test_turns_are_given_in_the_order_of_arrival() -> None:
    async def scenario() -> list[str]:
        gate = Gate(running=1, waiting=9)
        order: list[str] = []

        async def visit(name: str) -> None:
            await gate.enter()
            order.append(name)
            await asyncio.sleep(0)
            gate.leave()

        await asyncio.gather(*(visit(name) for name in "abcd"))
        assert (gate.running, gate.waiting) == (0, 0)
        return order

    assert asyncio.run(scenario()) == ["a", "b", "c", "d"]


def test_a_visitor_who_leaves_the_queue_frees_his_place() -> None:
    async def scenario() -> tuple[int, int]:
        gate = Gate(running=1, waiting=1)
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        gate.leave()
        return gate.running, gate.waiting

    assert asyncio.run(scenario()) == (0, 0)


@pytest.mark.parametrize("turn_first", [True, False])
def test_a_turn_given_to_someone_just_leaving_is_not_lost(turn_first: bool) -> None:
    async def scenario() -> tuple[int, int]:
        gate = Gate(running=1, waiting=2)
        await gate.enter()
        leaving, staying = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        steps: list[Callable[[], object]] = [gate.leave, leaving.cancel]
        for step in steps if turn_first else reversed(steps):
            step()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.wait_for(staying, 1)
        return gate.running, gate.waiting

    assert asyncio.run(scenario()) == (1, 0)
