"""The way out of the cluster where a stack has a proxy: to it, and past it only where it may."""

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.components.network_policies import Edge, Outside, Workload
from infra.components.scope import Scope
from infra.components.way_out import WayOut
from infra.reach import goes_around, in_a_range
from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.sealed import PASSWORD, sealed
from tests.infra.test_backups import KEYS as BACKUP_KEYS
from tests.infra.test_gpu_settings import KEY, ONPREM, REGISTRY, refusal
from tests.infra.ways import leaves

PROXY, NVIDIA = "10.9.8.7", "203.0.113.5"
BY_NAME = {"https": "http://proxy.corp.example:3128"}
CALLERS = ("rag-deployment", "rag-bulk", "llm-download", "backup-cron")
SECRETS = {**KEY, "nvidiaApiKey": "nvapi", **BACKUP_KEYS}


def connected(proxy: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a stack each of whose callers calls something outside."""
    return {
        "cluster": ONPREM,
        "registry": REGISTRY,
        "models": {"kind": "nim", "embedding": {"kind": "hosted"}, "ranking": {"kind": "hosted"}},
        "app": {"bulkWorkers": 2},
        "access": {"oidc": {"issuer": "https://id.corp.example", "audience": ["rag"]}},
        "backup": {
            "schedule": "0 3 * * *",
            "s3": {"bucket": "vault", "endpoint": "https://s3.corp.example"},
        },
        "network": {"proxy": proxy},
        **more,
    }


@pytest.fixture(scope="module")
def by_name(deploy_once: Deploy) -> Deployment:
    return deploy_once(connected(BY_NAME), secrets=SECRETS)


@pytest.mark.parametrize("caller", CALLERS)
def test_each_caller_goes_to_the_proxy_and_nowhere_else(by_name: Deployment, caller: str) -> None:
    assert leaves(by_name, caller, PROXY, 3128)
    assert not leaves(by_name, caller, NVIDIA, 443)
    assert not leaves(by_name, caller, "169.254.169.254", 3128)


@pytest.mark.parametrize("other", ["llm-deployment", "qdrant-statefulset"])
def test_who_calls_nothing_outside_has_no_way_to_the_proxy(by_name: Deployment, other: str) -> None:
    assert not leaves(by_name, other, PROXY, 3128)


def test_without_a_proxy_each_caller_goes_straight(deploy: Deploy) -> None:
    found = deploy(connected({}), secrets=SECRETS)

    for caller in CALLERS:
        assert leaves(found, caller, NVIDIA, 443), caller
        assert not leaves(found, caller, PROXY, 3128), caller


def test_a_proxy_by_its_address_is_all_that_is_open(deploy: Deploy) -> None:
    found = deploy(connected({"https": f"http://{PROXY}:3128"}), secrets=SECRETS)

    for caller in CALLERS:
        assert leaves(found, caller, PROXY, 3128), caller
        assert not leaves(found, caller, "10.9.8.6", 3128), caller


def test_what_the_stack_takes_out_of_the_proxy_keeps_its_own_way(deploy: Deploy) -> None:
    found = deploy(connected({**BY_NAME, "noProxy": ["s3.corp.example"]}), secrets=SECRETS)

    assert leaves(found, "backup-cron", "10.1.1.1", 443)
    assert not leaves(found, "backup-cron", PROXY, 3128)
    # known not to be the bucket
    assert not leaves(found, "rag-bulk", NVIDIA, 443)
    # a download goes to hosts that are not known here, and one of them may be taken out
    assert leaves(found, "llm-download", NVIDIA, 443)
    assert leaves(found, "llm-download", PROXY, 3128)


def test_a_sealed_import_goes_to_the_registry_and_to_the_proxy(
    deploy: Deploy, tmp_path: Path
) -> None:
    proxy = {"https": "http://10.0.0.11:3128"}
    network = {"allowed": ["10.0.0.0/28"], "proxy": proxy}

    found = deploy(sealed(tmp_path, network=network), secrets=PASSWORD)

    assert leaves(found, "llm-import", "10.0.0.11", 3128)
    assert not leaves(found, "llm-import", "10.0.0.12", 3128)
    assert leaves(found, "llm-import", "10.0.0.10", 443)
    assert not leaves(found, "llm-import", NVIDIA, 443)


def test_a_sealed_stack_opens_its_own_ranges_for_a_proxy_by_name(
    deploy: Deploy, tmp_path: Path
) -> None:
    proxy = {"https": "http://proxy.corp.example:3128"}
    network = {"allowed": ["10.0.0.0/28", "proxy.corp.example"], "proxy": proxy}

    found = deploy(sealed(tmp_path, network=network), secrets=PASSWORD)

    assert leaves(found, "llm-import", "10.0.0.11", 3128)
    assert not leaves(found, "llm-import", NVIDIA, 3128)


def test_a_sealed_stack_asks_for_the_range_of_its_proxy(deploy: Deploy, tmp_path: Path) -> None:
    proxy = {"https": "http://proxy.corp.example:3128"}
    network = {"allowed": ["proxy.corp.example"], "proxy": proxy}
    (tmp_path / "x").mkdir()

    told = refusal(deploy, sealed(tmp_path / "x", network=network), PASSWORD)

    assert any("network.proxy.https is at 'proxy.corp.example'" in each for each in told), told


@pytest.mark.parametrize(
    ("url", "further", "ways"),
    [
        ("https://api.example.com/v1", False, {("proxy", 3128)}),
        ("http://api.example.com/v1", False, {("x", 80)}),
        ("http://vllm.ai.svc:8000/v1", False, {("x", None)}),
        ("https://s3.corp.example", False, {("x", 443)}),
        ("https://s3.corp.example", True, {("x", 443), ("proxy", 3128)}),
        ("https://api.example.com", True, {("x", 443), ("proxy", 3128)}),
        ("https://10.1.2.3:8443", False, {("x", 8443), ("proxy", 3128)}),
        ("https://10.2.2.3:8443", False, {("proxy", 3128)}),
    ],
)
def test_a_call_goes_the_way_that_its_client_takes(
    url: str, further: bool, ways: set[tuple[str, int | None]]
) -> None:
    out = WayOut(
        proxies={"https": "http://proxy.example.com:3128"},
        around="localhost,.svc,.corp.example,10.1.0.0/16",
        exceptions=True,
    )

    found = _ways(out, url, further=further)

    assert {(edge.target.name, edge.port) for edge in found} == ways


def test_two_proxies_are_two_ways() -> None:
    out = WayOut(proxies={"http": "http://10.0.0.1:80", "https": "http://10.0.0.2:80"})

    (plain,) = _ways(out, "http://a.example")
    (tls,) = _ways(out, "https://a.example")

    assert plain.target == Outside(name="http-proxy", blocks=("10.0.0.1/32",))
    assert tls.target == Outside(name="https-proxy", blocks=("10.0.0.2/32",))


@pytest.mark.parametrize(
    "listed", [".svc,.corp.example", "corp.example", "*", "other.example, s3.corp.example", ""]
)
@pytest.mark.parametrize(
    "host", ["s3.corp.example", "corp.example", "xcorp.example", "llm.models.svc", "10.0.0.1"]
)
def test_no_proxy_is_read_as_python_reads_it(listed: str, host: str) -> None:
    bypassed = vars(urllib.request)["proxy_bypass_environment"]  # in no stub

    assert goes_around(host, listed) == bool(bypassed(host, {"no": listed}))


def test_a_range_takes_addresses_out_and_no_names() -> None:
    assert in_a_range("10.1.2.3", ".svc, 10.1.0.0/16")
    assert not in_a_range("10.2.2.3", ".svc, 10.1.0.0/16")
    assert not in_a_range("a.example", ".svc, 10.1.0.0/16")


def _ways(out: WayOut, url: str, *, further: bool = False) -> list[Edge]:
    async def ask() -> list[Edge]:  # an Output wants a loop
        name = pulumi.Output.from_input("rag-dev")
        scope = Scope(stack="dev", name="rag-dev", namespace=name)
        return out.to(Workload(name="rag", scope=scope, port=1416), "x", url, further=further)

    return asyncio.run(ask())
