"""The table of edges, and the policies that it becomes."""

from typing import Any

import pytest

from infra.components.network_policies import Outside, Workload
from infra.components.scope import Scope
from infra.components.way_out import outward
from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.test_gpu_settings import refusal
from tests.infra.ways import leaves

MODELS = ("llm", "embedding", "ranking")


def pods(name: str) -> dict[str, Any]:
    return {
        "matchLabels": {
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/instance": "dev",
        }
    }


def inside(namespace: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


@pytest.fixture(scope="module")
def deployed(deploy_once: Deploy) -> Deployment:
    return deploy_once()


@pytest.fixture
def policies(deployed: Deployment) -> dict[str, dict[str, Any]]:
    return by_name(deployed)


def by_name(deployment: Deployment) -> dict[str, dict[str, Any]]:
    found = {}
    for each in deployment.of("NetworkPolicy"):
        metadata = each.inputs["metadata"]
        found[f"{metadata['namespace']}/{metadata['name']}"] = each.inputs["spec"]
    return found


def test_every_namespace_denies_both_ways_by_default(policies: dict[str, dict[str, Any]]) -> None:
    for namespace in ("rag-dev", "models-dev"):
        assert policies[f"{namespace}/default-deny"] == {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
        }


def test_names_may_be_resolved(policies: dict[str, dict[str, Any]]) -> None:
    for namespace in ("rag-dev", "models-dev"):
        assert policies[f"{namespace}/dns"]["egress"] == [
            {
                "to": [
                    {"namespaceSelector": inside("kube-system")},
                    {"ipBlock": {"cidr": "169.254.20.10/32"}},
                    {"ipBlock": {"cidr": "169.254.25.10/32"}},
                ],
                "ports": [
                    {"port": 53, "protocol": "UDP"},
                    {"port": 53, "protocol": "TCP"},
                ],
            }
        ]


@pytest.mark.parametrize("workload", ["rag-deployment", "llm-deployment"])
@pytest.mark.parametrize("over", ["UDP", "TCP"])
def test_a_cache_of_names_on_the_node_may_be_asked_and_nothing_else_there(
    deployed: Deployment, workload: str, over: str
) -> None:
    for address in ("169.254.20.10", "169.254.25.10"):
        assert leaves(deployed, workload, address, 53, over)
        assert not leaves(deployed, workload, address, 80, over)
    for address in ("169.254.169.254", "169.254.20.11", "10.96.0.10"):
        assert not leaves(deployed, workload, address, 53, over), address


def test_a_stack_may_name_its_own_dns(deploy: Deploy) -> None:
    found = deploy({"network": {"dns": ["10.96.0.10", "fd00:10::/64"]}})

    for address in ("169.254.20.10", "10.96.0.10", "fd00:10::a"):
        assert leaves(found, "llm-deployment", address, 53, "UDP"), address
    assert not leaves(found, "llm-deployment", "10.96.0.11", 53, "UDP")
    assert not leaves(found, "llm-deployment", "10.96.0.10", 443)


@pytest.mark.parametrize(
    ("dns", "problem"),
    [
        ("169.254.169.254", "where a cloud gives a node's credentials"),
        ("169.254.0.0/16", "where a cloud gives a node's credentials"),
        ("0.0.0.0/0", "where a cloud gives a node's credentials"),
        ("10.96.0.10/8", "has host bits set"),
        ("10.96.0.256", "does not appear to be an IPv4 or IPv6 network"),
    ],
)
def test_a_dns_that_no_policy_may_open_is_refused(deploy: Deploy, dns: str, problem: str) -> None:
    (told,) = refusal(deploy, {"network": {"dns": [dns]}})

    assert told.startswith("stackyard:network.dns[0]: ")
    assert problem in told


@pytest.mark.parametrize(
    ("target", "namespace", "port"),
    [("qdrant", "rag-dev", 6333), *((role, "models-dev", 8000) for role in MODELS)],
)
def test_each_edge_has_a_policy_at_both_ends(
    policies: dict[str, dict[str, Any]], target: str, namespace: str, port: int
) -> None:
    out = policies[f"rag-dev/rag-to-{target}-egress"]
    into = policies[f"{namespace}/rag-to-{target}-ingress"]

    ports = [{"port": port, "protocol": "TCP"}]
    there = {"namespaceSelector": inside(namespace), "podSelector": pods(target)}
    here = {"namespaceSelector": inside("rag-dev"), "podSelector": pods("rag")}
    assert out == {
        "podSelector": pods("rag"),
        "policyTypes": ["Egress"],
        "egress": [{"to": [there], "ports": ports}],
    }
    assert into == {
        "podSelector": pods(target),
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [here], "ports": ports}],
    }


def test_callers_reach_the_app_and_nothing_else(policies: dict[str, dict[str, Any]]) -> None:
    assert policies["rag-dev/callers-to-rag-ingress"]["ingress"] == [
        {
            "from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}],
            "ports": [{"port": 1416, "protocol": "TCP"}],
        }
    ]
    assert [name for name, spec in policies.items() if "callers" in name] == [
        "rag-dev/callers-to-rag-ingress"
    ]


def test_nothing_leaves_a_stack_with_local_models(policies: dict[str, dict[str, Any]]) -> None:
    targets = [
        peer for spec in policies.values() for rule in spec.get("egress", []) for peer in rule["to"]
    ]

    assert targets
    outside = {peer["ipBlock"]["cidr"] for peer in targets if "namespaceSelector" not in peer}
    assert outside == {"169.254.20.10/32", "169.254.25.10/32"}  # of the node itself


def test_the_policies_of_the_table_are_all_there_are(policies: dict[str, dict[str, Any]]) -> None:
    assert len(policies) == 2 * 2 + 1 + 2 * 4


def test_hosted_models_open_one_port_from_the_app_only(deploy: Deploy) -> None:
    found = by_name(deploy({"models": {"kind": "hosted"}}, secrets={"nvidiaApiKey": "k"}))

    assert found["rag-dev/rag-to-hosted-llm-egress"]["podSelector"] == pods("rag")
    (rule,) = found["rag-dev/rag-to-hosted-llm-egress"]["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert not any(name.startswith("models-dev") for name in found)


@pytest.mark.parametrize(
    ("url", "target", "port"),
    [
        ("https://x.example.com/v1", Outside(name="hosted-llm"), 443),
        ("http://x.example.com/v1", Outside(name="hosted-llm"), 80),
        ("http://10.1.2.3:9000/v1", Outside(name="hosted-llm", blocks=("10.1.2.3/32",)), 9000),
        ("http://[fd00::1]/v1", Outside(name="hosted-llm", blocks=("fd00::1/128",)), 80),
        ("http://vllm.ai.svc:8000/v1", Outside(name="hosted-llm", namespace="ai"), None),
        ("http://vllm.ai.svc.cluster.local/v1", Outside(name="hosted-llm", namespace="ai"), None),
    ],
)
def test_the_way_out_is_as_narrow_as_the_address_allows(
    deploy: Deploy, url: str, target: Outside, port: int | None
) -> None:
    edges = []

    def program() -> None:
        import pulumi

        scope = Scope(stack="dev", name="rag-dev", namespace=pulumi.Output.from_input("rag-dev"))
        app = Workload(name="rag", scope=scope, port=1416)
        edges.append(outward(app, "hosted-llm", url))

    deploy(only=program)

    assert (edges[0].target, edges[0].port) == (target, port)
