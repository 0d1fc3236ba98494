"""What a real `python -m app` says of an embedding service that serves something else."""

from pathlib import Path

import httpx
import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration


def test_another_size_of_vectors_keeps_the_app_from_being_ready_and_is_told(
    tmp_path: Path,
) -> None:
    with FakeNim(dimension=384) as nim, FakeQdrant() as qdrant:
        app = AppProcess(tmp_path, nim, qdrant, {"RAG_EMBEDDING_DIMENSION": "1024"})
        try:
            app.start()
            answer = httpx.get(f"{app.url}/readyz", timeout=30)
        finally:
            app.stop()

    (missing,) = answer.json()["missing"]
    assert answer.status_code == 503
    assert missing["name"] == "embedding"
    assert "vectors of 384 numbers, and RAG_EMBEDDING_DIMENSION is 1024" in missing["reason"]
    assert any("not what the stack says" in line for line in app.output)
