"""One OpenAPI document of what is served: our routes, and of Hayhooks' those that exist here."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app import problems
from app.surface import find

VERSION = "1"
DESCRIPTION = "Documents in, questions out, answers that cite page and span."
PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457)",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "stage": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
OPEN = ("/healthz", "/readyz")
SIGN_IN = ("/login", "/login/callback")  # where browsers may sign in
STREAMED = (  # where the body asks for it
    "/query/run",
    "/rag",
    "/v1/chat/completions",
    "/v1/responses",
)
REFUSALS = {
    "400": "The body cannot be read",
    "401": "No key, or none that is known",
    "403": "The role of the key does not open this",
    "404": "It is not there for this caller",
    "408": "The body did not arrive in time",
    "409": "Not in its present state",
    "411": "The length of the body is needed",
    "413": "The body is too large",
    "415": "A type of file that cannot be read",
    "422": "Something in the request is not valid; `errors` says what",
    "429": "Too many requests; `Retry-After` says for how long",
    "500": "Something went wrong here",
    "502": "A back end gave an answer that cannot be used",
    "503": "A back end is away, or too many requests at once",
    "504": "The answer was not ready in time",
    "507": "The disk is full",
}


def _tell_problems(operation: dict[str, Any], *, opened: bool) -> None:
    """Say how a route refuses: FastAPI tells of another shape of 422 than is sent."""
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    if not opened:
        for status, description in REFUSALS.items():
            responses[status] = {"description": description, "content": content}


def describe(app: FastAPI, hayhooks: FastAPI) -> dict[str, Any]:
    """Return one OpenAPI document of what is served: our routes and Hayhooks' allowed ones."""
    schema = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    behind = get_openapi(title=app.title, version=app.version, routes=hayhooks.routes)
    served = {path: item for path, item in behind["paths"].items() if find(path)}
    # Hayhooks sees a bare Response there; it is the same answer as ours.
    served["/query/run"]["post"]["responses"] = schema["paths"]["/rag"]["post"]["responses"]
    schema["paths"] = {**served, **schema["paths"]}
    components = schema.setdefault("components", {})
    schemas = behind.get("components", {}).get("schemas", {})
    components["schemas"] = {**schemas, **components.get("schemas", {})}
    for path, item in schema["paths"].items():
        for operation in item.values():
            if path in (*OPEN, *SIGN_IN):
                operation["security"] = []
            if path in STREAMED:
                told = operation["responses"]["200"].setdefault("content", {})
                told["text/event-stream"] = {}  # OpenAPI 3.1 has no words for the events of one
            _tell_problems(operation, opened=path in OPEN)
    components["schemas"]["Problem"] = PROBLEM
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"key": []}]
    return schema
