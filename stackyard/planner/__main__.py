"""`python -m stackyard.planner FILE`: write the plans in a guide anew from the settings in it.

A plan is a `text` block that begins with `$ stackyard plan --stack NAME`, right after the `yaml`
block with the settings.
"""

import re
import sys
from pathlib import Path

import yaml

from stackyard.planner.plan import make_plan
from stackyard.planner.show import lines
from stackyard.planner.wants import read_wants

PLAN = re.compile(
    r"```yaml\n(?P<settings>[^`]*)```\n\n"
    r"```text\n\$ stackyard plan --stack (?P<stack>\S+)\n[^`]*```"
)


def rewritten(guide: str) -> str:
    """Return the guide with every plan as it is now."""
    return PLAN.sub(_plan, guide)


def _plan(match: re.Match[str]) -> str:
    config = yaml.safe_load(match["settings"])["config"]
    settings = {key.removeprefix("stackyard:"): value for key, value in config.items()}
    plan = "\n".join(lines(make_plan(match["stack"], read_wants(settings))))
    command = f"$ stackyard plan --stack {match['stack']}"
    return f"```yaml\n{match['settings']}```\n\n```text\n{command}\n{plan}\n```"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(rewritten(file.read_text()))
