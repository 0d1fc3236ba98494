"""The result of a run: its figures by half and group, what they were measured on, every outcome."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stackyard.errors import Trouble
from stackyard.evaluation import metrics
from stackyard.evaluation.asking import Outcome
from stackyard.evaluation.statistics import Difference, Figure, difference, figure, percentile

Figures = dict[str, Figure]


class Latency(BaseModel):
    """Seconds of a stage, over all questions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    p50: float
    p95: float
    n: int


class Subject(BaseModel):
    """What was measured, as far as it moves the figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    service: str
    model: str
    documents: int
    documents_digest: str
    questions_digest: str


class Result(BaseModel):
    """A run; `figures` has "all", "A" and "B", and each group of questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    subject: Subject
    figures: dict[str, Figures]
    latency: dict[str, Latency]
    outcomes: list[Outcome]


def summarize(subject: Subject, outcomes: Sequence[Outcome]) -> Result:
    """Return the figures of the outcomes."""
    parts: dict[str, list[Outcome]] = {"all": list(outcomes)}
    for half in ("A", "B"):
        parts[half] = [outcome for outcome in outcomes if outcome.half == half]
    for group in sorted({outcome.group for outcome in outcomes}):
        for half in ("", " A", " B"):
            parts[f"{group}{half}"] = [
                outcome
                for outcome in outcomes
                if outcome.group == group and half.strip() in ("", outcome.half)
            ]
    return Result(
        subject=subject,
        figures={part: _figures(inside) for part, inside in parts.items()},
        latency=_latency(outcomes),
        outcomes=list(outcomes),
    )


def compare(before: Result, after: Result) -> tuple[dict[str, Difference], int]:
    """Return the change of each measure, and on how many questions; both must have asked them."""
    earlier = {(each.id, each.question): each for each in before.outcomes}
    pairs = [
        (earlier[each.id, each.question], each)
        for each in after.outcomes
        if (each.id, each.question) in earlier
    ]
    changes: dict[str, Difference] = {}
    for name in metrics.NAMES:
        both = [pair for pair in pairs if all(name in each.values for each in pair)]
        change = difference(
            [first.values[name] for first, _ in both], [second.values[name] for _, second in both]
        )
        if change:
            changes[name] = change
    return changes, len(pairs)


def read_result(path: Path) -> Result:
    """Return an earlier result, or raise Trouble where the file is none."""
    hint = "name a file that stackyard eval --json has written"
    if not path.is_file():
        message = f"--compare is {str(path)!r}, which is not a file"
        raise Trouble(message, hint)
    try:
        return Result.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = f"{path} is not a result: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise Trouble(message, hint) from None


def _figures(outcomes: Sequence[Outcome]) -> Figures:
    found: Figures = {}
    for name in metrics.NAMES:
        values = [each.values[name] for each in outcomes if name in each.values]
        measured = figure(values)
        if measured:
            found[name] = measured
    return found


def _latency(outcomes: Sequence[Outcome]) -> dict[str, Latency]:
    stages = list(dict.fromkeys(stage for each in outcomes for stage in each.seconds))
    latency: dict[str, Latency] = {}
    for stage in stages:
        values = [each.seconds[stage] for each in outcomes if stage in each.seconds]
        latency[stage] = Latency(
            p50=percentile(values, 0.5), p95=percentile(values, 0.95), n=len(values)
        )
    return latency
