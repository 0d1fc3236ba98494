"""The least that a run must reach, as `--fail-under ndcg@10=0.8` says it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stackyard.errors import Trouble
from stackyard.evaluation.metrics import NAMES
from stackyard.evaluation.result import Result

EXAMPLE = "--fail-under ndcg@10=0.8"


@dataclass(frozen=True)
class Least:
    """A measure and the value that it must not be under, over all questions."""

    name: str
    value: float


def read_gates(given: Sequence[str]) -> list[Least]:
    """Return what must be reached, or raise Trouble that names every bad part."""
    gates: list[Least] = []
    problems: list[str] = []
    for text in given:
        name, _, written = text.partition("=")
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if name not in NAMES:
            problems.append(f"--fail-under is {text!r}: the measure is one of {', '.join(NAMES)}")
        elif not 0 <= value <= 1:
            problems.append(f"--fail-under is {text!r}: the value is a number from 0 to 1")
        else:
            gates.append(Least(name, value))
    if problems:
        raise Trouble("\n".join(problems), EXAMPLE)
    return gates


def missed(gates: Sequence[Least], result: Result) -> list[str]:
    """Return a line for each gate that was not reached; what was not measured is not reached."""
    lines = []
    for gate in gates:
        figure = result.figures["all"].get(gate.name)
        if figure is None:
            lines.append(f"{gate.name} was not measured, and had to be at least {gate.value:g}")
        elif not figure.value >= gate.value:
            lines.append(f"{gate.name} is {figure.value:.4f}, under {gate.value:g}")
    return lines
