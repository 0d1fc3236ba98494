"""A fake API server on this machine, and the stand-in behind real gRPC."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tools.standin.doubles import FakeApi, Provider, Words, started
from tools.standin.awaiting.waiter import Patience

QUICK = Patience(
    seconds=5,
    first_pause=0.01,
    longest_pause=0.02,
    pods_pause=0.02,
    grace={"ImagePullBackOff": 0.1, "ReplicaFailure": 0.1},
)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def words(tmp_path: Path) -> Iterator[Words]:
    with Words(tmp_path / "told") as heard:
        yield heard


@pytest.fixture
def start(words: Words) -> Iterator[Callable[[], Provider]]:
    """Start providers as the engine does: each a gRPC server of its own, not configured yet."""
    with started(words, QUICK) as starter:
        yield starter


@pytest.fixture
def provider(api: FakeApi, start: Callable[[], Provider]) -> Provider:
    running = start()
    running.configure(kubeconfig=api.kubeconfig())
    return running
