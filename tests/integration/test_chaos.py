"""Every fault of `make chaos`, small."""

from pathlib import Path

import pytest

from tests.chaos.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.integration
# tests/integration/test_app_jobs.py kills an ingesting app in every run
SMALL = [each for each in SCENARIOS if each.name != "killed-while-indexing"]


@pytest.mark.parametrize("scenario", SMALL, ids=lambda each: each.name)
def test_what_is_promised_holds(scenario: Scenario, tmp_path: Path) -> None:
    seen = scenario.run(tmp_path, 1)

    assert seen.kept, f"promised: {scenario.promise}; seen: {seen.said}"
