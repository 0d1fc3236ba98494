"""Errors as RFC 9457 problem documents: a stable type, the stage, never an exception's text."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.log import where

log = logging.getLogger("app.problems")
MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """An error that is meant for the caller.

    It derives from FastAPI's HTTPException because Hayhooks lets only that pass unchanged.
    """

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str | None = None,
        *,
        stage: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(status, detail or title, dict(headers or {}))
        self.name = name
        self.title = title
        self.explanation = detail
        self.stage = stage
        self.errors = errors

    def document(self) -> dict[str, object]:
        """Return the members of the problem document."""
        members: dict[str, object] = {
            "type": f"urn:stackyard:problem:{self.name}",
            "title": self.title,
            "status": self.status_code,
        }
        optional = {"detail": self.explanation, "stage": self.stage, "errors": self.errors}
        return members | {key: value for key, value in optional.items() if value is not None}

    def response(self) -> JSONResponse:
        return JSONResponse(
            self.document(), self.status_code, headers=self.headers, media_type=MEDIA_TYPE
        )


def unauthorized(detail: str) -> Problem:
    return Problem(
        401,
        "unauthorized",
        "A key is needed",
        detail,
        headers={"WWW-Authenticate": 'Bearer realm="stackyard"'},
    )


def forbidden(detail: str) -> Problem:
    return Problem(403, "forbidden", "Not allowed", detail)


def not_found(what: str = "There is nothing at this address") -> Problem:
    return Problem(404, "not-found", "Not found", what)


def method_not_allowed(allowed: str) -> Problem:
    return Problem(
        405,
        "method-not-allowed",
        "Method not allowed",
        f"This address answers to {allowed}",
        headers={"Allow": allowed},
    )


def body_too_large(limit: int) -> Problem:
    return Problem(
        413, "body-too-large", "The body is too large", f"At most {limit} bytes are accepted here"
    )


def busy(limit: int, whose: str = "") -> Problem:
    return Problem(
        429,
        "busy",
        "Too many requests at once",
        f"{limit}{whose} are running; try again in a moment",
        headers={"Retry-After": "1"},
    )


def invalid(detail: str, errors: list[dict[str, str]] | None = None) -> Problem:
    return Problem(422, "invalid-request", "The request is not valid", detail, errors=errors)


def unreadable() -> Problem:
    return Problem(400, "malformed-body", "The body cannot be read")


def not_json() -> Problem:
    return Problem(400, "malformed-body", "The body is not JSON")


def invalid_members(errors: list[dict[str, str]]) -> Problem:
    """Name the members that are wrong, each with its place in the body and the reason."""
    named = ", ".join(entry["at"] for entry in errors)
    return invalid(f"See errors for what is wrong with: {named}", errors)


def internal() -> Problem:
    return Problem(
        500, "internal-error", "Something went wrong here", "The log has it under the request's id"
    )


def disk_full() -> Problem:
    return Problem(
        507,
        "insufficient-storage",
        "The disk is full",
        "Nothing of this request was kept; delete documents or enlarge the volume of the app",
    )


def from_http_exception(error: StarletteHTTPException) -> Problem:
    """Give the frameworks' errors our shape, without their detail: it may quote an exception."""
    if isinstance(error, Problem):
        return error
    if error.status_code == 404:
        return not_found()
    if error.status_code == 405:
        return method_not_allowed((error.headers or {}).get("Allow", "another method"))
    if error.status_code == 400:
        return unreadable()
    if error.status_code >= 500:
        return internal()
    return Problem(error.status_code, "refused", "The request was refused")


def from_validation(error: RequestValidationError) -> Problem:
    """Say which member is wrong and why, without quoting the value."""
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        return not_json()
    return invalid_members(
        [
            {
                "at": ".".join(str(part) for part in detail["loc"][1:]) or "body",
                "reason": detail["msg"],
            }
            for detail in details
        ]
    )


async def _http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if error.status_code >= 500 and not isinstance(error, Problem):
        log.error("unhandled", extra={"at": where(error)})
    return from_http_exception(error).response()


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return from_validation(error).response()


def install(app: FastAPI) -> None:
    """Answer every handled error of this app with a problem; the guard does the unhandled ones."""
    app.add_exception_handler(StarletteHTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation)
