"""Addresses that a provider names: behind TLS where it is itself."""

import asyncio
from typing import Any

import httpx
import pytest

from app.access import key_set
from app.access.discovery import named
from app.access.key_set import KeySet, KeysUnavailable


@pytest.mark.parametrize("name", ["http://login.example.org/keys", "ftp://x/y", "keys", 7, ""])
def test_an_address_that_is_not_behind_tls_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"TLS|address"):
        named({"jwks_uri": name}, "jwks_uri", "https://login.example.org")


def test_a_provider_on_this_machine_may_be_plain() -> None:
    there = "http://127.0.0.1:9/keys"

    assert named({"jwks_uri": there}, "jwks_uri", "http://127.0.0.1:9") == there


@pytest.mark.parametrize("where", ["http://login.example.org/keys", None])
def test_keys_are_not_read_in_the_open(where: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def discovered(_client: httpx.AsyncClient, _issuer: str) -> dict[str, Any]:
        return {"jwks_uri": where}

    monkeypatch.setattr(key_set, "discovered", discovered)
    keys = KeySet("https://login.example.org", None)

    with pytest.raises(KeysUnavailable):
        asyncio.run(keys.key("one"))
