"""Overload is judged by whole answers, quick refusals and what is neither."""

import pytest

from bench.engine.load import Sample
from bench.engine.overload import judged


def sample(status: int, seconds: float = 0.01, *, retry_after: bool = True) -> Sample:
    return Sample(0.0, seconds, seconds, status, status == 200, retry_after)


def test_goodput_is_measured_against_the_peak() -> None:
    seen = judged([sample(200)] * 90, seconds=1.0, rate=400, peak=100, recovery=0.5)

    assert seen.goodput == pytest.approx(0.9)
    assert seen.broken == 0


def test_refusals_are_timed_and_asked_for_their_retry_after() -> None:
    samples = [sample(429, 0.02), sample(503, 0.02), sample(429, 0.02, retry_after=False)]

    seen = judged(samples, seconds=1.0, rate=400, peak=100, recovery=0.5)

    assert seen.refused_p95 == pytest.approx(0.02)
    assert seen.with_retry_after == pytest.approx(2 / 3)


def test_a_cut_connection_and_a_server_error_are_broken_promises() -> None:
    seen = judged([sample(0), sample(500)], seconds=1.0, rate=400, peak=100, recovery=0.5)

    assert seen.broken == 2
