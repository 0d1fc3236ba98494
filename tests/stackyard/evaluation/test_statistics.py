"""Means, intervals and differences."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.evaluation.statistics import difference, figure, percentile


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_interval_holds_its_value_and_stays_between_the_extremes(values: list[float]) -> None:
    found = figure(values)

    assert found is not None
    assert min(values) - 1e-4 <= found.low <= found.value + 0.05
    assert found.value - 0.05 <= found.high <= max(values) + 1e-4
    assert found.n == len(values)


def test_the_interval_of_half_right_answers_is_as_wide_as_chance_makes_it() -> None:
    found = figure([0.0, 1.0] * 50)

    assert found is not None
    assert found.value == 0.5
    assert found.low == pytest.approx(0.4, abs=0.02)
    assert found.high == pytest.approx(0.6, abs=0.02)


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        figure([0.5, math.nan])


def test_a_difference_pairs_the_questions() -> None:
    found = difference([0.0, 1.0, 0.5], [1.0, 1.0, 0.4])

    assert found is not None
    assert found.value == pytest.approx(0.3)
    assert (found.better, found.worse, found.n) == (1, 1, 3)


def test_nothing_measured_is_no_figure() -> None:
    assert figure([]) is None
    assert difference([], []) is None


def test_a_percentile_is_a_value_that_occurred() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
