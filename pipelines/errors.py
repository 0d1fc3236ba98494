"""What went wrong, in which stage, and whether trying again may help.

A StageError carries no address, key, header or body: its text may be shown to a user.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import httpx
import requests
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from pipelines.certificates import refusal

Stage = Literal["embedding", "retrieval", "ranking", "generation"]
# "resting": not called at all, since its last calls failed one after the other.
# "certificate": it cannot prove who it is.
Kind = Literal["unreachable", "certificate", "timeout", "status", "answer", "resting"]

# Who serves a stage, under the name that /readyz uses.
ENDPOINTS: dict[Stage, str] = {
    "embedding": "embedding",
    "retrieval": "qdrant",
    "ranking": "ranking",
    "generation": "llm",
}

# What a status says where the service is somebody else's: the words of the hosted APIs differ.
MEANINGS = {
    401: "refused our key",
    402: "wants to be paid first",
    403: "refused our key",
    404: "knows no such model",
    413: "found the request too large",
    429: "has too many requests from us",
}
STORE_MEANINGS = MEANINGS | {404: "has no such collection", 507: "has no room left"}

RETRYABLE_STATUSES = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 507))


@dataclass(frozen=True)
class Failure:
    """What a client library's exception means; `retry_after` is in seconds, where it is known.

    `why`: what is wrong with a certificate.
    """

    kind: Kind
    status: int | None = None
    retry_after: float | None = None
    why: str | None = None

    @property
    def retryable(self) -> bool:
        """Say whether the same request may succeed later."""
        if self.kind == "status":
            return self.status in RETRYABLE_STATUSES
        return self.kind in ("unreachable", "certificate", "timeout", "resting")


class StageError(Exception):
    """A stage of indexing or answering failed in the service behind it."""

    def __init__(self, stage: Stage, failure: Failure) -> None:
        self.stage: Stage = stage
        self.endpoint = ENDPOINTS[stage]
        self.kind: Kind = failure.kind
        self.status = failure.status
        self.retryable = failure.retryable
        super().__init__(f"{stage} failed: {self.endpoint} {_said(stage, failure)}")


def _said(stage: Stage, failure: Failure) -> str:
    if failure.kind == "status":
        meanings = STORE_MEANINGS if stage == "retrieval" else MEANINGS
        meaning = meanings.get(failure.status or 0)
        status = f"status {failure.status}"
        return f"{meaning} ({status})" if meaning else f"answered with {status}"
    if failure.kind == "certificate":
        return f"shows a certificate that {failure.why}"
    return {
        "unreachable": "cannot be reached",
        "timeout": "did not answer in time",
        "answer": "answered with something that is not understood",
        "resting": "is left alone for a moment after failing repeatedly",
    }[failure.kind]


def failure_of(error: BaseException) -> Failure | None:
    """Return what the error or one of its causes says about the service; None where it is ours."""
    if (why := refusal(error)) is not None:
        return Failure("certificate", why=why)
    for cause in _chain(error):
        if isinstance(cause, (UnexpectedResponse, *_of_openai("APIStatusError"))):
            return Failure("status", getattr(cause, "status_code", None))
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            return Failure("status", cause.response.status_code)
        # Timeouts are connection errors too in requests and openai: ask for them first.
        if isinstance(cause, (*_TIMEOUTS, *_of_openai("APITimeoutError"))):
            return Failure("timeout")
        if isinstance(cause, (*_CONNECTION, *_of_openai("APIConnectionError"))):
            return Failure("unreachable")
    return None


def stage_error(stage: Stage, error: BaseException) -> StageError | None:
    """Return the StageError for an exception out of a stage's client; None where it is a bug."""
    if isinstance(error, StageError):
        return error
    failure = failure_of(error)
    odd = (*_ODD_ANSWER, *_of_openai("APIError"))
    if failure is None and any(isinstance(cause, odd) for cause in _chain(error)):
        failure = Failure("answer")
    return StageError(stage, failure) if failure else None


_TIMEOUTS = (requests.Timeout, httpx.TimeoutException, TimeoutError)
_CONNECTION = (requests.ConnectionError, httpx.TransportError, ConnectionError)
# What the clients raise when a 200 holds something else than they expect.
_ODD_ANSWER = (
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    AttributeError,
    ResponseHandlingException,
)


def _of_openai(name: str) -> tuple[type[BaseException], ...]:
    """Return an exception of openai's client, where the stock engine has loaded its 25 MB."""
    loaded = sys.modules.get("openai")
    return (getattr(loaded, name),) if loaded else ()


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # Qdrant's client keeps the transport's error in `source`, not as the cause.
        source = getattr(current, "source", None)
        current = source if isinstance(source, BaseException) else current.__cause__
