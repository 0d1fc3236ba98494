"""The faults of `make chaos`, small, but those that take long."""

from pathlib import Path

import pytest

from tests.chaos.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.integration
# tests/integration/test_app_jobs.py kills an ingesting app in every run, the journey of tests/e2e
# every pod, and an `up`; the rest of these restart more than one process
LARGE = {
    *("killed-while-indexing", "store-killed", "up-interrupted"),
    *("node-restarted", "model-slow-to-start", "names-gone"),
    *("store-full", "store-without-collection", "store-of-other-size"),
}
SMALL = [each for each in SCENARIOS if each.name not in LARGE]


@pytest.mark.parametrize("scenario", SMALL, ids=lambda each: each.name)
def test_what_is_promised_holds(scenario: Scenario, tmp_path: Path) -> None:
    if lacking := scenario.lacking():
        pytest.skip(lacking)
    folders = [tmp_path / name for name in ("once", "again")]
    for folder in folders:
        folder.mkdir()
    seen = scenario.run(folders[0], 1)
    if not seen.kept:  # some promises are of seconds: a busy moment of the machine is no breach
        seen = scenario.run(folders[1], 1)

    assert seen.kept, f"promised: {scenario.promise}; seen: {seen.said}"
