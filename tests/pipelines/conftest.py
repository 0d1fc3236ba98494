"""The world that the pipelines' tests share."""

from collections.abc import Iterator

import pytest

from tests.pipelines.world import CANTEEN, MANUAL, World, a_world


@pytest.fixture
def empty_world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture
def world(empty_world: World) -> World:
    empty_world.index("id-manual", "manual.pdf", MANUAL)
    empty_world.index("id-canteen", "canteen.txt", CANTEEN)
    return empty_world
