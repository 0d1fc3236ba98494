"""Percentiles, ratios, and which windows count."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engine.windows import Window, percentile, ratios


def window(server: str = "stackyard", what: str = "query", **changed: object) -> Window:
    values: dict[str, object] = {
        "concurrency": 8,
        "seconds": 2.0,
        "latencies": [0.24, 0.25, 0.26, 0.31],
        "first_texts": [0.05, 0.06],
        "failed": 1,
        "cpu_seconds": 0.02,
        "stub_busy": 0.4,
        "foreign": 0.1,
        "peak_mib": 120.0,
    }
    return Window(server=server, what=what, **{**values, **changed})  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1e6), min_size=2))
def test_percentiles_are_those_of_the_standard_library(values: list[float]) -> None:
    expected = statistics.quantiles(values, n=20, method="inclusive")

    assert percentile(values, 95) == pytest.approx(expected[18])
    assert percentile(values, 50) == pytest.approx(expected[9])


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 95))


def test_a_window_is_void_above_85_percent_of_the_stub_core() -> None:
    assert window(stub_busy=0.851).void
    assert not window(stub_busy=0.85).void


def test_a_window_reads_rate_and_cpu_off_whole_answers_only() -> None:
    seen = window()

    assert seen.rate == 2.0
    assert seen.cpu_milliseconds == pytest.approx(5.0)


def test_ratios_pair_the_rounds_and_leave_out_what_is_void() -> None:
    assert ratios([2.0, math.nan, 6.0], [4.0, 5.0, 3.0]) == [0.5, 2.0]
    assert ratios([2.0, 3.0], [4.0]) == [0.5]
