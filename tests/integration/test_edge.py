"""The edge over real sockets: who trusts the stack's certificate, and whose word on callers counts.

The app trusts a proxy at 127.0.0.2; calls from 127.0.0.1 are a stranger's.
"""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.backup.fetching import pinned as pinned_by_the_backup
from infra.components.generated_certificate import GeneratedCertificateProvider
from stackyard.client import Service
from stackyard.connection import pinned, trusting
from stackyard.errors import NotThere, Trouble
from stackyard.target import resolve
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import KEY, AppProcess, until
from tests.fakes.nim import FakeNim
from tests.integration.test_tls import TlsApp

pytestmark = pytest.mark.integration
PROXY, STRANGER = "127.0.0.2", "127.0.0.1"


def new_pair(folder: Path, *hosts: str) -> Path:
    """Write the pair that a stack would make, and its authority; return the authority's file."""
    wanted = {"name": "stackyard test", "hosts": hosts or ("127.0.0.1", "localhost")}
    made = GeneratedCertificateProvider().create(wanted).outs or {}
    for name, key in (("tls.crt", "certificate"), ("tls.key", "key"), ("ca.pem", "ca")):
        (folder / name).write_text(made[key])
    return folder / "ca.pem"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edge")
    new_pair(folder)
    return folder


@pytest.fixture(scope="module")
def edge(folder: Path, nim: FakeNim, qdrant: FakeQdrant) -> Iterator[AppProcess]:
    environment = {
        "RAG_TLS_CERTIFICATE_FILE": str(folder / "tls.crt"),
        "RAG_TLS_KEY_FILE": str(folder / "tls.key"),
        "RAG_TRUSTED_PROXIES": json.dumps([f"{PROXY}/32"]),
    }
    process = TlsApp(folder, nim, qdrant, environment=environment)
    try:
        yield process.start()
    finally:
        process.stop()


def caller(edge: AppProcess, folder: Path, address: str, key: str = KEY) -> httpx.Client:
    """Return a client whose connections come from an address of this machine."""
    trust = trusting((folder / "ca.pem").read_text())
    return httpx.Client(
        base_url=edge.url,
        headers={"Authorization": f"Bearer {key}"},
        transport=httpx.HTTPTransport(local_address=address, verify=trust),
    )


def audited(edge: AppProcess, request: str) -> str:
    """Return the address that the audit log has for a request."""

    def look() -> str | None:
        for line in list(edge.output):
            if request in line and '"event":"audit"' in line:
                return str(json.loads(line)["address"])
        return None

    return until(look)


def test_the_operators_command_trusts_the_stacks_authority_and_no_other(
    edge: AppProcess, folder: Path, tmp_path: Path
) -> None:
    other = new_pair(tmp_path).read_text()

    with Service(edge.url, KEY, trust=trusting((folder / "ca.pem").read_text())) as service:
        assert service.documents() == []
    for trust in (None, trusting(other)):
        with Service(edge.url, KEY, trust=trust) as service, pytest.raises(NotThere):
            service.documents()


def test_an_authority_is_named_beside_an_address(
    edge: AppProcess, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_KEY", KEY)
    monkeypatch.setenv("STACKYARD_CA", str(folder / "ca.pem"))

    with resolve(None, edge.url, None).service() as service:
        assert service.documents() == []
    monkeypatch.setenv("STACKYARD_CA", str(folder / "keys"))
    with pytest.raises(Trouble, match="which cannot be used"):
        resolve(None, edge.url, None)


def test_what_runs_beside_the_app_takes_its_one_certificate_by_any_name(
    edge: AppProcess, folder: Path, tmp_path: Path
) -> None:
    new_pair(tmp_path)
    own, others = (pinned_by_the_backup(each / "tls.crt") for each in (folder, tmp_path))

    with urllib.request.urlopen(f"{edge.url}/healthz", context=own) as reply:
        assert reply.status == 200
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(f"{edge.url}/healthz", context=others)
    assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
    with Service(edge.url, KEY, trust=pinned((folder / "tls.crt").read_text())) as service:
        assert service.documents() == []


def test_a_forged_header_of_a_stranger_is_ignored(edge: AppProcess, folder: Path) -> None:
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Request-Id": "forged"}

    with caller(edge, folder, STRANGER) as client:
        told = client.get("/v1/models", headers=forged).headers["x-request-id"]

    assert audited(edge, told) == STRANGER


def test_the_proxys_word_counts_and_not_what_its_caller_claims(
    edge: AppProcess, folder: Path
) -> None:
    claimed = {"X-Forwarded-For": "203.0.113.66, 198.51.100.7"}

    with caller(edge, folder, PROXY) as client:
        told = client.get("/v1/models", headers=claimed).headers["x-request-id"]

    assert audited(edge, told) == "198.51.100.7"


def test_guesses_are_counted_by_the_caller_behind_the_proxy(edge: AppProcess, folder: Path) -> None:
    def guess(client: httpx.Client, address: str) -> int:
        return client.get("/v1/models", headers={"X-Forwarded-For": address}).status_code

    with caller(edge, folder, PROXY, "a-wrong-key") as client:
        many = [guess(client, "198.51.100.8") for _ in range(31)]
        another = guess(client, "198.51.100.9")
    with caller(edge, folder, STRANGER, "a-wrong-key") as client:
        with_a_new_name_each = [guess(client, f"198.51.100.{each}") for each in range(100, 131)]

    assert (many[0], many[-1], another) == (401, 429, 401)
    assert with_a_new_name_each[-1] == 429
