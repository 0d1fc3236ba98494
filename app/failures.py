"""What went wrong behind us, in words for callers: the stage and the kind, no exception's text."""

import logging
from dataclasses import dataclass

from app.log import where
from app.problems import Problem, internal
from pipelines.errors import StageError
from pipelines.ocr import OcrUnavailable

log = logging.getLogger("app.failures")
OVERLOADED = (429, 503)


@dataclass(frozen=True)
class Failure:
    """Why a job could not be done, and whether trying again may help."""

    stage: str | None
    reason: str
    retry: bool


def explain(error: Exception) -> Failure:
    """Return the reason of a failed job."""
    if isinstance(error, StageError):
        return Failure(error.stage, str(error), error.retryable)
    if isinstance(error, OcrUnavailable):
        return Failure("ocr", str(error), retry=True)
    return Failure(None, f"something went wrong here ({type(error).__name__})", retry=False)


def to_problem(error: Exception) -> Problem:
    """Return what a caller is told; what is not a back end's fault is logged by its place."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StageError):
        return _of_stage(error)
    log.error("answer failed", extra={"at": where(error)})
    return internal()


def _of_stage(error: StageError) -> Problem:
    if error.kind == "timeout":
        name, status, title = "backend-timeout", 504, "A back end did not answer in time"
    elif error.kind in ("unreachable", "certificate", "resting") or error.status in OVERLOADED:
        name, status, title = "backend-unavailable", 503, "A back end is not available"
    else:
        name, status, title = "backend-error", 502, "A back end gave an answer that cannot be used"
    headers = {"Retry-After": "5"} if status == 503 else None
    return Problem(status, name, title, str(error), stage=error.stage, headers=headers)
