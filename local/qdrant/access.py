"""Who may call what: two keys, compared in constant time."""

import hmac
from collections.abc import Mapping
from typing import Literal

from local.qdrant.errors import ApiError
from local.qdrant.settings import Settings

Access = Literal["open", "read", "write"]


def given_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("api-key")
    if key is not None:
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def authorize(settings: Settings, headers: Mapping[str, str], needed: Access) -> None:
    """Refuse a call without a key that is good enough for it."""
    if needed == "open" or not (settings.api_key or settings.read_only_api_key):
        return
    key = given_key(headers)
    if key is None:
        raise ApiError(401, "Must provide an API key or an Authorization bearer token")
    full = _same(key, settings.api_key)
    read_only = _same(key, settings.read_only_api_key)
    # without a full key, a read-only key still leaves nobody to write
    if not full and not read_only:
        raise ApiError(401, "Invalid API key")
    if needed == "write" and not full:
        raise ApiError(403, "Forbidden: Global manage access is required")


def _same(given: str, known: str | None) -> bool:
    if known is None:
        return False
    return hmac.compare_digest(given.encode(), known.encode())
