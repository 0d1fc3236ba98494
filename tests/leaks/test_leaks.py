"""Nobody is given a document that is not theirs: random worlds against Qdrant's own engine."""

from pathlib import Path

import pytest

from tests.leaks.world import explored
from tests.local.qdrant.serving import Serving

pytestmark = pytest.mark.integration

WORLDS, ASKS = 3, 100


def test_no_question_finds_a_document_of_others(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "qdrant").start()
    try:
        counts = explored(range(WORLDS), ASKS, serving.url, tmp_path)
    finally:
        serving.stop()

    assert counts.leaks == []
    assert counts.lost == []
    assert counts.cases == WORLDS * ASKS
    # the worlds are neither empty nor open
    assert counts.found > counts.cases
    assert counts.changes > 0
    assert 0 < counts.refused < counts.cases / 2
