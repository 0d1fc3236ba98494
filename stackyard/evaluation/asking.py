"""Asks a service every question over its HTTP interface, and keeps what came of each."""

import time
from collections.abc import Callable, Sequence
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict

from stackyard.client import Service
from stackyard.errors import ServiceError
from stackyard.evaluation import metrics
from stackyard.evaluation.questions import Half, Question
from stackyard.replies import Answer, Hit

# The same failure again and again is the service's and not the question's.
FAILURES_IN_A_ROW = 5
FATAL = (401, 403, 404, 405)


class Outcome(BaseModel):
    """One question and its measures; `rank` is that of the first passage of a source."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    question: str
    half: Half
    group: str
    state: Literal["answered", "refused", "searched", "failed"]
    rank: int | None
    values: dict[str, float]
    seconds: dict[str, float]
    said: str = ""
    model: str = ""


def ask_all(
    service: Service,
    questions: Sequence[Question],
    collection: str,
    *,
    answers: bool,
    on_outcome: Callable[[Outcome], None],
) -> list[Outcome]:
    """Ask one question after the other; one that fails counts as nothing reached."""
    outcomes: list[Outcome] = []
    in_a_row = 0
    for question in questions:
        try:
            outcome = _ask(service, question, collection, answers=answers)
            in_a_row = 0
        except (ServiceError, httpx.HTTPError) as error:
            in_a_row += 1
            fatal = isinstance(error, ServiceError) and error.status in FATAL
            if fatal or in_a_row >= FAILURES_IN_A_ROW:
                raise
            outcome = _failed(question, error, answers=answers)
        outcomes.append(outcome)
        on_outcome(outcome)
    return outcomes


def _ask(service: Service, question: Question, collection: str, *, answers: bool) -> Outcome:
    started = time.perf_counter()
    hits: list[Hit] = []
    # Where nothing answers there is no rank to measure.
    if question.sources:
        hits = service.search(question.question, metrics.DEPTH, collection, question.filters)
    seconds = {"search": time.perf_counter() - started} if question.sources else {}
    values = metrics.ranking(question, hits)
    answer = service.ask(question.question, collection, question.filters) if answers else None
    if answer:
        values |= metrics.answering(question, answer)
        seconds |= _timings(answer)
    return Outcome(
        id=question.id,
        question=question.question,
        half=question.half,
        group=_group(question),
        state=_state(answer),
        rank=min(metrics.first_ranks(question, hits), default=None),
        values={name: round(value, 6) for name, value in values.items()},
        seconds={stage: round(value, 4) for stage, value in seconds.items()},
        said=answer.text if answer else "",
        model=str(answer.raw.get("model", "")) if answer else "",
    )


def _failed(question: Question, error: Exception, *, answers: bool) -> Outcome:
    return Outcome(
        id=question.id,
        question=question.question,
        half=question.half,
        group=_group(question),
        state="failed",
        rank=None,
        values=metrics.failed(question, answers=answers),
        seconds={},
        said=str(error),
    )


def _group(question: Question) -> str:
    return question.group or ("answerable" if question.answerable else "unanswerable")


def _state(answer: Answer | None) -> Literal["answered", "refused", "searched"]:
    if answer is None:
        return "searched"
    return "answered" if answer.answerable else "refused"


def _timings(answer: Answer) -> dict[str, float]:
    listed = answer.raw.get("timings")
    entries = listed.items() if isinstance(listed, dict) else ()
    return {str(stage): float(value) for stage, value in entries if isinstance(value, int | float)}
