"""What an identity provider says of itself: OpenID Connect Discovery 1.0."""

from typing import Any

import httpx

TIMEOUT = 5.0
FRESH_SECONDS = 600.0
AGAIN_SECONDS = 10.0  # after a failure, and for a key that is not known


async def discovered(client: httpx.AsyncClient, issuer: str) -> dict[str, Any]:
    """Return the discovery document; raise httpx.HTTPError, or ValueError for another issuer's."""
    where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    found: Any = (await client.get(where)).raise_for_status().json()
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        msg = "the discovery document is of another issuer"
        raise ValueError(msg)
    return found
