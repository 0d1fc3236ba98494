"""Values of many questions to one figure with its interval, and two runs to a difference.

Percentile bootstrap over questions (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13); two runs are compared on the questions that both asked.
"""

import math
import random
from collections.abc import Sequence
from statistics import fmean

from pydantic import BaseModel, ConfigDict

RESAMPLES = 2000
TAIL = 0.025  # of a 95 % interval
SEED = 4  # the same values have the same interval


class Figure(BaseModel):
    """A mean with its 95 % interval over `n` questions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    low: float
    high: float
    n: int


class Difference(BaseModel):
    """What a run has more than an earlier one, on average, with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    low: float
    high: float
    better: int
    worse: int
    n: int


def figure(values: Sequence[float]) -> Figure | None:
    """Return the mean of the values, each from 0 to 1; None where there are none."""
    if not values:
        return None
    low, high = _interval(values)
    return Figure(value=round(fmean(values), 4), low=low, high=high, n=len(values))


def difference(before: Sequence[float], after: Sequence[float]) -> Difference | None:
    """Return the mean change of a question's value; None without questions."""
    gains = [second - first for first, second in zip(before, after, strict=True)]
    if not gains:
        return None
    low, high = _interval(gains)
    return Difference(
        value=round(fmean(gains), 4),
        low=low,
        high=high,
        better=sum(gain > 0 for gain in gains),
        worse=sum(gain < 0 for gain in gains),
        n=len(gains),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _interval(values: Sequence[float]) -> tuple[float, float]:
    # Comparisons with NaN are false, so one would go through every sort and gate.
    if not all(math.isfinite(value) for value in values):
        message = "a value is not a number, so no interval can be given"
        raise ValueError(message)
    chance = random.Random(SEED)
    means = [fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES)]
    return round(percentile(means, TAIL), 4), round(percentile(means, 1 - TAIL), 4)
