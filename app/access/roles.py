"""The least role for each address; what is not listed is for admins."""

from app.access.identity import Role

# template of app.surface -> method -> role
NEEDED: dict[str, dict[str, Role]] = {
    "/openapi.json": {"GET": "reader"},
    "/query/run": {"POST": "reader"},
    "/rag": {"POST": "reader"},
    "/v1/chat/completions": {"POST": "reader"},
    "/v1/responses": {"POST": "reader"},
    "/v1/search": {"POST": "reader"},
    "/mcp": {"POST": "reader"},
    # What a pipeline of the site retrieves knows nothing of who may read a document.
    "/pipelines/{name}/run": {"POST": "admin"},
    "/v1/models": {"GET": "reader"},
    "/v1/models/{model}": {"GET": "reader"},
    "/v1/me": {"GET": "reader"},
    "/v1/documents": {"GET": "reader", "POST": "contributor"},
    "/v1/documents/{id}": {"GET": "reader", "DELETE": "contributor"},
    "/v1/documents/{id}/text": {"GET": "reader"},
    "/v1/documents/{id}/readers": {"GET": "contributor", "PUT": "contributor"},
    # /v1/documents/{id}/quarantine is for admins
    "/v1/jobs/{id}": {"GET": "contributor", "DELETE": "contributor"},
    "/v1/jobs/{id}/events": {"GET": "contributor"},
}


def needed(template: str, method: str) -> Role:
    """Return the least role that may call this."""
    return NEEDED.get(template, {}).get(method, "admin")
