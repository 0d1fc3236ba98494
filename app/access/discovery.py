"""What an identity provider says of itself: OpenID Connect Discovery 1.0; and how it is asked."""

import asyncio
from typing import Any

import httpx
import orjson

TIMEOUT = 5.0  # for a piece of an answer
FRESH_SECONDS = 600.0
AGAIN_SECONDS = 10.0  # after a failure, and for a key that is not known
ANSWER_SECONDS = 10.0  # for the whole of one
LONGEST = 2**20  # of an answer in bytes; discovery, keys and what is said of a user are some kB


async def asked(
    client: httpx.AsyncClient, method: str, url: object, **given: Any
) -> tuple[int, Any]:
    """Return an answer's status and JSON.

    Raise httpx.HTTPError, or ValueError for what is no address, no JSON, or longer than LONGEST.
    """
    where, body = address(url), bytearray()
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            client.stream(method, where, **given) as response,
        ):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LONGEST:
                    msg = f"the answer is longer than {LONGEST} bytes"
                    raise ValueError(msg)
    except TimeoutError:
        msg = f"the answer took longer than {ANSWER_SECONDS:g} s"
        raise httpx.ReadTimeout(msg) from None
    return response.status_code, orjson.loads(body)


def address(text: object) -> httpx.URL:
    """Return an address that can be called; raise ValueError for anything else."""
    try:
        found = httpx.URL(text) if isinstance(text, str) else None
    except httpx.InvalidURL:
        found = None
    if found is None or not found.host or not 0 < (found.port or 1) < 2**16:
        msg = "not an address"
        raise ValueError(msg)
    return found


def named(found: dict[str, Any], name: str, issuer: str) -> str | None:
    """Return an address that a discovery document names; raise ValueError for one that is none.

    It is behind TLS where the issuer is: else whoever stands between may give the answer.
    """
    if found.get(name) is None:
        return None
    there = address(found[name])
    if there.scheme not in (("https",) if issuer.startswith("https://") else ("http", "https")):
        msg = f"{name} is not behind TLS"
        raise ValueError(msg)
    return str(there)


async def discovered(client: httpx.AsyncClient, issuer: str) -> dict[str, Any]:
    """Return the discovery document; raise httpx.HTTPError, or ValueError for another issuer's."""
    where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    status, found = await asked(client, "GET", where)
    if status != 200 or not isinstance(found, dict) or found.get("issuer") != issuer:
        msg = "the discovery document is of another issuer"
        raise ValueError(msg)
    return found
