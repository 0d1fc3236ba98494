"""How sure a ranking model's scores are, for the models that this was fitted for.

`calibration.json` is written by `python -m bench.sets.refusing` and says what it was fitted on.
Scores of other models mean something else: for these the plain thresholds of QuerySettings hold.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Passages answer where score + coverage_weight * coverage reaches `least`.

    `score` is the ranking model's of the best passage, `coverage` the share, 0 to 1, of the
    question's content words that two neighbouring sentences hold; where these hold all of them a
    near cosine is enough.
    """

    coverage_weight: float
    least: float


@cache
def calibration(ranking_model: str) -> Calibration | None:
    """Return what was fitted for a ranking model, None for one that nothing was fitted for."""
    fitted = json.loads(FILE.read_text()).get(ranking_model)
    if fitted is None:
        return None
    return Calibration(coverage_weight=fitted["coverage_weight"], least=fitted["least"])
