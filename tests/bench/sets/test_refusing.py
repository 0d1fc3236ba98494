"""The fit of the evidence gate."""

import numpy as np
import pytest

from bench.sets.refusing import LET_THROUGH, Row, fit


def cases(sign: float) -> list[Row]:
    random = np.random.default_rng(5)
    answered = [(True, 0.6 + 0.1 * x, 0.8 + 0.1 * y) for x, y in random.normal(size=(200, 2))]
    others = [
        (False, 0.6 - sign * 0.2 + 0.1 * x, 0.5 + 0.1 * y) for x, y in random.normal(size=(300, 2))
    ]
    return answered + others


def test_the_share_that_was_asked_for_passes_and_few_of_the_others() -> None:
    found = cases(1.0)

    weight, least = fit(found)

    passed = [(answered, score + weight * words >= least) for answered, score, words in found]
    assert np.mean([ok for answered, ok in passed if answered]) == pytest.approx(LET_THROUGH)
    assert np.mean([ok for answered, ok in passed if not answered]) < 0.1


def test_a_fit_by_which_a_better_score_refuses_is_not_written() -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        fit(cases(-1.0))
