"""Whom a registry's key is shown, where it keeps its blobs elsewhere."""

import base64
import hashlib
from pathlib import Path

import httpx
import pytest

from stackyard.bundle.access import Access
from stackyard.bundle.layout import Blob
from stackyard.bundle.registry import Registry

KEY = f"Basic {base64.b64encode(b'user:word').decode()}"
DATA = b"a blob"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("https://reg.example.org.evil.example", False),
        ("https://reg.example.org@evil.example", False),
        ("https://reg.example.org:8443", False),
        ("http://reg.example.org", False),
        ("https://reg.example.org:443", True),
    ],
)
def test_a_key_goes_to_the_registry_alone(tmp_path: Path, place: str, shown: bool) -> None:
    heard: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        if request.url.path == "/elsewhere":
            return httpx.Response(200, stream=httpx.ByteStream(DATA))
        if "authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": "Basic realm=x"})
        return httpx.Response(307, headers={"Location": f"{place}/elsewhere"})

    access = Access(host="reg.example.org", username="user", password="word")
    with Registry(access) as registry:
        registry._client.close()
        registry._client = httpx.Client(transport=httpx.MockTransport(answer))
        registry.fetch_blob("a", Blob(DIGEST, len(DATA)), tmp_path / "blob", lambda _moved: None)

    assert (heard[-1].headers.get("authorization") == KEY) is shown
