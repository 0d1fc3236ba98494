"""One running app for the tests that leave it as they found it, and a maker for the others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

Maker = Callable[..., AppProcess]


@pytest.fixture(scope="module")
def nim() -> Iterator[FakeNim]:
    with FakeNim() as fake:
        yield fake


@pytest.fixture(scope="module")
def qdrant() -> Iterator[FakeQdrant]:
    with FakeQdrant() as fake:
        yield fake


@pytest.fixture(scope="module")
def app(
    tmp_path_factory: pytest.TempPathFactory, nim: FakeNim, qdrant: FakeQdrant
) -> Iterator[AppProcess]:
    process = AppProcess(tmp_path_factory.mktemp("app"), nim, qdrant)
    try:
        yield process.start()
    finally:
        process.stop()


@pytest.fixture
def make_app(tmp_path: Path, nim: FakeNim, qdrant: FakeQdrant) -> Iterator[Maker]:
    made: list[AppProcess] = []

    def make(**changes: object) -> AppProcess:
        process = AppProcess(tmp_path, nim, qdrant, **changes)  # type: ignore[arg-type]
        made.append(process)
        return process.start()

    yield make
    for process in made:
        process.stop()
