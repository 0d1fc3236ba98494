"""`python -m bench.sets.refusing`: fits when the local models refuse, on half A of two sets.

Three kinds of questions: those of each set, the same with their section taken out, and those of
the other set. A logistic regression weighs the ranking model's score against the share of the
question's words; the threshold is then where LET_THROUGH of half A's answerable questions pass.
Writes pipelines/calibration.json, with what it was fitted on.
"""

import json
import sys
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bench.sets.building import build, strangers
from bench.sets.finding import RANKING_MODEL, Found, Passages
from bench.sets.ranking import embedder, vectors_of
from pipelines.calibration import FILE
from pipelines.components.evidence_gate import close_coverage
from stackyard.evaluation.questions import Question, half_of

SETS = ("python-faq", "debian-faq")
LET_THROUGH = 0.92
# The usual ridge of a small sample; features have unit variance.
RIDGE = 3.0
STEPS = 30

Row = tuple[bool, float, float]
Floats = NDArray[np.float64]


def rows(name: str) -> list[Row]:
    """Return whether an answer is there, the score and the coverage, for each case of half A."""
    built = build(name)
    passages = Passages(built, vectors_of(name, embedder()))
    found: list[Row] = []
    for each in map(Question.model_validate, built.questions):
        if each.answerable and each.half == "A":
            source = each.sources[0].document
            found.append((True, *_features(each.question, passages.found(each.question))))
            found.append((False, *_features(each.question, passages.found(each.question, source))))
    for question in strangers(name):
        if half_of(question) == "A":
            found.append((False, *_features(question, passages.found(question))))
    return found


def _features(question: str, found: Found) -> tuple[float, float]:
    return found.ranked[0].score or 0.0, close_coverage(question, found.best)


def fit(cases: list[Row]) -> tuple[float, float]:
    """Return the weight of the coverage beside a score of weight 1, and the least sum that passes.

    Both classes weigh the same, however many cases they have.
    """
    answered = np.array([each[0] for each in cases])
    features = np.array([each[1:] for each in cases])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    weights = _logistic((features - mean) / spread, answered) / spread
    if not weights[0] > 0 <= weights[1]:
        message = f"the fit makes no sense: {weights}; more score or coverage must not refuse"
        raise ValueError(message)
    ratio = float(weights[1] / weights[0])
    sums = features @ np.array([1.0, ratio])
    return ratio, float(np.quantile(sums[answered], 1 - LET_THROUGH))


def _logistic(features: Floats, answered: NDArray[np.bool_]) -> Floats:
    """Return the weights without the constant, by Newton's method."""
    count = len(answered)
    weigh = np.where(answered, count / (2 * answered.sum()), count / (2 * (~answered).sum()))
    inputs = np.column_stack([features, np.ones(count)])
    ridge = np.diag([RIDGE] * features.shape[1] + [1e-9])
    weights: Floats = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (weigh * (likely - answered)) + ridge @ weights
        curve = (inputs.T * (weigh * likely * (1 - likely))) @ inputs + ridge
        weights = weights - np.linalg.solve(curve, slope)
    return weights[:-1]


def main() -> int:
    """Fit and write."""
    cases = [each for name in SETS for each in rows(name)]
    ratio, least = fit(cases)
    answered = sum(each[0] for each in cases)
    record = {
        RANKING_MODEL: {
            "coverage_weight": round(ratio, 4),
            "least": round(least, 4),
            "fitted": {
                "command": "python -m bench.sets.refusing",
                "date": datetime.now(UTC).date().isoformat(),
                "sets": list(SETS),
                "half": "A",
                "answerable": answered,
                "unanswerable": len(cases) - answered,
                "let_through": LET_THROUGH,
            },
        }
    }
    FILE.write_text(json.dumps(record, indent=2) + "\n")
    print(FILE.read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
