"""A certificate that does not hold, as each client of the two engines meets it over a socket."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import requests
from qdrant_client import QdrantClient

from pipelines.certificates import refusal
from pipelines.errors import StageError, failure_of
from pipelines.transport.client import Client
from tests.fakes.authority import Authority
from tests.fakes.nim import FakeNim


def by_own(url: str) -> object:
    async def ask() -> bytes:
        client = Client("generation", f"{url}/embeddings", {}, deadline=5, attempts=1)
        try:
            return await client.post(b'{"input": ["a"], "model": "m"}')
        finally:
            await client.close()

    return asyncio.run(ask())


def by_httpx(url: str) -> object:
    return httpx.get(f"{url}/models", timeout=5).raise_for_status()


def by_requests(url: str) -> object:
    return requests.get(f"{url}/models", timeout=5)


def by_qdrant(url: str) -> object:
    client = QdrantClient(url=url, timeout=5, check_compatibility=False)
    try:
        return client.collection_exists("documents")
    finally:
        client.close()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(autouse=True)
def trusted(ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ours.file))
    return


@pytest.mark.parametrize("ask", [by_own, by_httpx, by_requests])
def test_one_that_holds_is_no_matter(ours: Authority, ask: Callable[[str], object]) -> None:
    with FakeNim(tls=ours.pair("service").context()) as nim:
        assert ask(nim.url)


@pytest.mark.parametrize("ask", [by_own, by_httpx, by_requests, by_qdrant])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("expired", "has expired"),
        ("name", "is for another address"),
        ("signer", "is signed by no authority that is trusted here"),
    ],
)
def test_one_that_does_not_hold_is_refused_with_its_reason(
    ours: Authority, tmp_path: Path, ask: Callable[[str], object], wrong: str, why: str
) -> None:
    pair = {
        "expired": lambda: ours.pair("old", days=-1),
        "name": lambda: ours.pair("other", "llm.models-dev.svc"),
        "signer": lambda: Authority(tmp_path / "theirs").pair("service"),
    }[wrong]()

    with FakeNim(tls=pair.context()) as nim, pytest.raises(Exception) as caught:  # noqa: PT011
        ask(nim.url)

    error = caught.value
    if isinstance(error, StageError):
        assert (error.kind, error.retryable) == ("certificate", True)
        assert str(error) == f"generation failed: llm shows a certificate that {why}"
    else:
        failure = failure_of(error)
        assert failure is not None
        assert (failure.kind, failure.why) == ("certificate", why)
    assert nim.requests == []  # not a byte of it


def test_what_failed_otherwise_is_no_certificates_fault() -> None:
    assert refusal(ConnectionRefusedError("nobody there")) is None


def test_one_of_a_form_that_newer_pythons_refuse_is_told_by_what_it_lacks(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusted = ssl.create_default_context(cafile=str(authority.file))
    trusted.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    pair = authority.pair("service", names_its_signer=False)

    with FakeNim(tls=pair.context()) as nim, pytest.raises(httpx.ConnectError) as refused:
        httpx.get(f"{nim.url}/models", verify=trusted)

    said = "is not as Python asks for from 3.13 on: Missing Authority Key Identifier"
    assert refusal(refused.value) == said
