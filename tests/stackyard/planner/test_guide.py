"""The guide's plans and prices are what the command prints and reads."""

import re
from pathlib import Path

from stackyard.planner.__main__ import PLAN, rewritten
from stackyard.planner.prices import read_prices

GUIDE = (Path(__file__).parents[3] / "docs/guides/plan.md").read_text()


def test_every_plan_in_the_guide_is_the_commands_own() -> None:
    assert len(PLAN.findall(GUIDE)) == 3
    assert rewritten(GUIDE) == GUIDE, "python -m stackyard.planner docs/guides/plan.md"


def test_the_price_file_of_the_guide_is_one(tmp_path: Path) -> None:
    block = next(
        each for each in re.findall(r"```yaml\n(.*?)```", GUIDE, re.S) if "perHour" in each
    )
    file = tmp_path / "prices.yaml"
    file.write_text(block)

    assert read_prices(file).per_hour["g6e.4xlarge"] == 3.00
