"""Who may be named in a sealed stack, and what goes around a proxy."""

import urllib.request

import pytest

from infra.reach import AllowList, no_proxy, outside
from infra.schema import Settings

ALLOWED = AllowList(("registry.corp.example:5000", "*.models.corp.example", "10.1.0.0/16", "a.b"))


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("registry.corp.example", 5000, True),
        ("REGISTRY.corp.example.", 5000, True),
        ("registry.corp.example", None, True),
        ("registry.corp.example", 443, False),
        ("registry.corp.example.evil.com", 5000, False),
        ("llm.models.corp.example", 443, True),
        ("models.corp.example", 443, False),
        ("evilmodels.corp.example", 443, False),
        ("10.1.2.3", 443, True),
        ("10.2.0.1", 443, False),
        ("a.b", 1, True),
        ("xa.b", 1, False),
        ("qdrant.rag-dev.svc", 6333, True),
        ("qdrant.rag-dev.svc.cluster.local", 6333, True),
        ("evil-svc", 80, False),
        ("localhost", 80, True),
        ("127.0.0.1", 80, True),
        ("[::1]", 80, True),
        ("169.254.169.254", 80, False),
        ("nvcr.io", 443, False),
    ],
)
def test_a_host_is_allowed_by_name_domain_range_and_port(
    host: str, port: int | None, allowed: bool
) -> None:
    assert ALLOWED.allows(host, port) is allowed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://nvcr.io/x and http://a.b/", ["https://nvcr.io/x"]),
        ("https://registry.corp.example:5000/v2", []),
        ("https://registry.corp.example/v2", ["https://registry.corp.example/v2"]),
        ("oci://ghcr.io/x", ["oci://ghcr.io/x"]),
        ('{"url": "s3://bucket.s3.amazonaws.com/k"}', ["s3://bucket.s3.amazonaws.com/k"]),
        ("https://user:pw@evil.com:99999/", ["https://user:pw@evil.com:99999/"]),
        ("http://10.1.9.9:80/v1", []),
        ("no address at all: nvcr.io/x", []),
    ],
)
def test_addresses_outside_are_found_in_any_text(text: str, found: list[str]) -> None:
    assert outside(text, ALLOWED) == found


def test_the_cluster_and_the_registry_go_around_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate(
        {
            "registry": {"host": "registry.corp.example:5000"},
            "network": {"proxy": {"https": "http://p:3128", "noProxy": [".corp.example"]}},
        }
    )

    listed = no_proxy(settings)

    assert listed == (
        "localhost,127.0.0.1,::1,.svc,.cluster.local,registry.corp.example,.corp.example"
    )
    bypassed = vars(urllib.request)["proxy_bypass_environment"]  # as clients read it; in no stub
    monkeypatch.setenv("no_proxy", listed)
    for host in ("qdrant.rag-dev.svc:6333", "llm.models-x.svc.cluster.local", "127.0.0.1:1"):
        assert bypassed(host), host
    assert not bypassed("integrate.api.nvidia.com")
