"""The least role for each address, and the role of a group.

An address that is not listed is about all collections at once (keys, backups, metrics, erasing):
it takes an admin whose credential names no collections, or it would lead out of them.
"""

from collections.abc import Mapping, Sequence

from app.access.identity import RANKS, Role

ANY_GROUP = "*"

# template of app.surface -> method -> role
NEEDED: dict[str, dict[str, Role]] = {
    "/openapi.json": {"GET": "reader"},
    "/query/run": {"POST": "reader"},
    "/rag": {"POST": "reader"},
    "/v1/chat/completions": {"POST": "reader"},
    "/v1/responses": {"POST": "reader"},
    "/v1/search": {"POST": "reader"},
    "/mcp": {"POST": "reader"},
    "/v1/models": {"GET": "reader"},
    "/v1/models/{model}": {"GET": "reader"},
    "/v1/me": {"GET": "reader"},
    "/logout": {"POST": "reader"},
    "/v1/documents": {"GET": "reader", "POST": "contributor"},
    "/v1/documents/{id}": {"GET": "reader", "DELETE": "contributor"},
    "/v1/documents/{id}/text": {"GET": "reader"},
    "/v1/documents/{id}/readers": {"GET": "contributor", "PUT": "contributor"},
    "/v1/documents/{id}/quarantine": {"PUT": "admin", "DELETE": "admin"},
    "/v1/jobs/{id}": {"GET": "contributor", "DELETE": "contributor"},
    "/v1/jobs/{id}/events": {"GET": "contributor"},
}


def needed(template: str, method: str) -> Role:
    """Return the least role that may call this."""
    return NEEDED.get(template, {}).get(method, "admin")


def needs_all_collections(template: str, method: str) -> bool:
    """Say whether a credential for some collections may not call this, whatever its role."""
    return method not in NEEDED.get(template, {})


def role_of(groups: frozenset[str], roles: Mapping[Role, Sequence[str]]) -> Role | None:
    """Return the highest role that a member of these groups has; None where it has none."""
    fits = [
        role
        for role, wanted in roles.items()
        if ANY_GROUP in wanted or not groups.isdisjoint(wanted)
    ]
    return max(fits, key=RANKS.__getitem__, default=None)
