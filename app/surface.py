"""The routes that exist. Whatever else Hayhooks brings along is not there."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["open", "sign-in", "read", "answer", "upload", "events", "archive"]
ID = r"[0-9a-f]{32}"


@dataclass(frozen=True)
class Route:
    """One address: how it is matched, shown in logs, and what it costs."""

    template: str
    kinds: dict[str, Kind]
    pattern: re.Pattern[str]

    @property
    def allowed(self) -> str:
        return ", ".join(sorted(self.kinds))


def _route(template: str, **kinds: Kind) -> Route:
    parts = [
        ID if part == "{id}" else "[^/]{1,200}" if part.startswith("{") else re.escape(part)
        for part in template.split("/")
    ]
    return Route(template, dict(kinds), re.compile("/".join(parts)))


ROUTES = (
    _route("/healthz", GET="open", HEAD="open"),
    _route("/readyz", GET="open", HEAD="open"),
    _route("/login", GET="sign-in"),
    _route("/login/callback", GET="sign-in"),
    _route("/logout", POST="read"),
    _route("/metrics", GET="read"),
    _route("/openapi.json", GET="read"),
    _route("/query/run", POST="answer"),
    _route("/rag", POST="answer"),
    _route("/v1/chat/completions", POST="answer"),
    _route("/v1/responses", POST="answer"),
    _route("/v1/search", POST="answer"),
    _route("/mcp", POST="answer"),
    _route("/pipelines/{name}/run", POST="answer"),
    _route("/v1/me", GET="read"),
    _route("/v1/keys", GET="read", POST="read"),
    _route("/v1/keys/{key}", DELETE="read"),
    _route("/v1/backup", POST="archive", PUT="archive"),
    _route("/v1/models", GET="read"),
    _route("/v1/models/{model}", GET="read"),
    _route("/v1/documents", GET="read", POST="upload", DELETE="read"),
    _route("/v1/documents/{id}", GET="read", DELETE="read"),
    _route("/v1/documents/{id}/text", GET="read"),
    _route("/v1/documents/{id}/readers", GET="read", PUT="read"),
    _route("/v1/documents/{id}/quarantine", PUT="read", DELETE="read"),
    _route("/v1/jobs/{id}", GET="read", DELETE="read"),
    _route("/v1/jobs/{id}/events", GET="events"),
)

# Not there where no browser may sign in.
OF_BROWSERS = frozenset({"/login", "/login/callback", "/logout"})

_PLAIN = {route.template: route for route in ROUTES if "{" not in route.template}
_WITH_NAMES = [route for route in ROUTES if "{" in route.template]


def find(path: str) -> Route | None:
    """Return the route of a path, or None where nothing is served."""
    plain = _PLAIN.get(path)
    if plain is not None:
        return plain
    return next((route for route in _WITH_NAMES if route.pattern.fullmatch(path)), None)
