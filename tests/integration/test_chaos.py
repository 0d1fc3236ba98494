"""Every fault of `make chaos`, small."""

from pathlib import Path

import pytest

from tests.chaos.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_what_is_promised_holds(scenario: Scenario, tmp_path: Path) -> None:
    seen = scenario.run(tmp_path, 1)

    assert seen.kept, f"promised: {scenario.promise}; seen: {seen.said}"
