"""A server of its own for tests that kill, fill or lock it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.qdrant.serving import Serving


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Hand out a server that is not started yet, and end it whatever happens."""
    serving = Serving(tmp_path / "storage")
    yield serving
    serving.kill()
