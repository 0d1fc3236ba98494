"""How callers come in: certificates, the site's own proxy, and what is refused before anything."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.test_settings import refusal

EXISTING: dict[str, Any] = {"registry": {"host": "registry.example.com"}}
INGRESS: dict[str, Any] = {
    "expose": "Ingress",
    "edge": {
        "host": "rag.example.com",
        "class": "nginx",
        "controllerNamespace": "ingress-nginx",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "100m"},
    },
    "tls": {"mode": "certManager", "issuer": "letsencrypt"},
}
GATEWAY: dict[str, Any] = {
    "expose": "Gateway",
    "edge": {
        "host": "rag.example.com",
        "gateway": "public",
        "gatewayNamespace": "edge",
        "controllerNamespace": "envoy-gateway-system",
    },
}


def existing(folder: Path, app: dict[str, Any]) -> dict[str, Any]:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text("{}")
    cluster = {"kind": "existing", "context": "c", "kubeconfig": str(kubeconfig)}
    return {**EXISTING, "cluster": cluster, "app": app}


def passing(exposed: dict[str, Any]) -> dict[str, Any]:
    """Return the same with TLS that the proxy passes on."""
    tls = {"mode": "certManager", "issuer": "letsencrypt"}
    return {**exposed, "edge": {**exposed["edge"], "passthrough": True}, "tls": tls}


def served(found: Deployment) -> tuple[dict[str, str], list[str], set[str]]:
    """Return the app's certificate variables, its volume's Secret, and its probes' schemes."""
    pod = found.pods["rag"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    secrets = [each["secret"]["secretName"] for each in pod["volumes"] if each["name"] == "tls"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    schemes = {container[each]["httpGet"].get("scheme", "HTTP") for each in probes}
    given = {name: value for name, value in environment.items() if "TLS" in name}
    return given, secrets, schemes


def test_a_laptop_serves_https_by_an_authority_of_its_own(deploy: Deploy) -> None:
    found = deploy({"app": {"tls": {"mode": "selfSigned", "hosts": ["rag.lan"]}}})

    assert served(found) == (
        {
            "RAG_TLS_CERTIFICATE_FILE": "/etc/rag-tls/tls.crt",
            "RAG_TLS_KEY_FILE": "/etc/rag-tls/tls.key",
        },
        ["rag-tls"],
        {"HTTPS"},
    )
    assert found.exports["url"] == "https://127.0.0.1:20130"
    assert found.exports["ca"] == "generated-ca"
    assert "ca" not in found.secret_exports
    assert found["rag-tls-generated"].inputs["hosts"] == [
        *("rag.lan", "rag", "rag.rag-dev", "rag.rag-dev.svc", "rag.rag-dev.svc.cluster.local"),
        *("localhost", "127.0.0.1"),
    ]
    assert found["rag-tls-generated"].secret_outputs == ("key", "authorityKey")
    secret = found["rag-tls-secret"]
    assert secret.inputs["type"] == "kubernetes.io/tls"
    assert "generated-key" not in str(secret.shown)


def test_a_stack_without_tls_is_as_it_was(deploy: Deploy) -> None:
    found = deploy()

    assert served(found) == ({}, [], {"HTTP"})
    assert "ca" not in found.exports
    assert found.of("GeneratedCertificate") == []


def test_a_certificate_of_the_site_is_named_and_its_authority_exported(
    deploy: Deploy, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    tls = {"mode": "secret", "secretName": "rag-2026", "ca": str(authority)}

    found = deploy(existing(tmp_path, {"expose": "LoadBalancer", "url": "https://r", "tls": tls}))

    assert served(found)[1:] == (["rag-2026"], {"HTTPS"})
    assert found.exports["ca"] == authority.read_text()
    assert not [each for each in found.of("Secret") if each.name.startswith("rag-tls")]


def test_cert_manager_is_asked_for_names_and_addresses(deploy: Deploy, tmp_path: Path) -> None:
    tls = {"mode": "certManager", "issuer": "company", "issuerKind": "Issuer"}
    app = {"url": "https://rag.example.com", "tls": {**tls, "hosts": ["10.1.2.3"]}}

    found = deploy(existing(tmp_path, app))

    assert found["rag-tls-certificate"].inputs["spec"] == {
        "secretName": "rag-tls",
        "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": "company"},
        "dnsNames": ["rag.example.com"],
        "ipAddresses": ["10.1.2.3"],
        "usages": ["server auth", "digital signature"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
    }
    assert served(found)[1:] == (["rag-tls"], {"HTTPS"})


def test_an_ingress_ends_tls_and_only_its_controller_may_call_the_app(
    deploy: Deploy, tmp_path: Path
) -> None:
    found = deploy(existing(tmp_path, INGRESS))

    spec = found["rag-door-ingress"].inputs["spec"]
    assert spec["tls"] == [{"hosts": ["rag.example.com"], "secretName": "rag-tls"}]
    assert spec["ingressClassName"] == "nginx"
    (rule,) = spec["rules"]
    assert rule["http"]["paths"][0]["backend"] == {
        "service": {"name": "rag", "port": {"number": 1416}}
    }
    assert found["rag-service"].inputs["spec"]["type"] == "ClusterIP"
    assert found.exports["url"] == "https://rag.example.com"
    assert served(found) == ({}, [], {"HTTP"})
    policies = {each.inputs["metadata"]["name"]: each.inputs["spec"] for each in policies_of(found)}
    assert "callers-to-rag-ingress" not in policies
    assert policies["proxy-to-rag-ingress"]["ingress"] == [
        {
            "from": [
                {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}
                    }
                }
            ],
            "ports": [{"port": 1416, "protocol": "TCP"}],
        }
    ]


def policies_of(found: Deployment) -> list[Any]:
    return [each for each in found.of("NetworkPolicy") if each.inputs["metadata"]["name"]]


def test_an_ingress_that_passes_tls_on_leaves_it_to_the_app(deploy: Deploy, tmp_path: Path) -> None:
    found = deploy(existing(tmp_path, passing(INGRESS)))

    assert found["rag-door-ingress"].inputs["spec"]["tls"] == [{"hosts": ["rag.example.com"]}]
    assert served(found)[1:] == (["rag-tls"], {"HTTPS"})


def test_a_gateway_gets_a_route_by_its_listener(deploy: Deploy, tmp_path: Path) -> None:
    edge = {**GATEWAY["edge"], "listener": "https", "controllerAddresses": ["10.0.0.0/16"]}

    found = deploy(existing(tmp_path, {**GATEWAY, "edge": edge}))

    route = found["rag-door-route"].inputs
    assert (route["kind"], route["apiVersion"]) == ("HTTPRoute", "gateway.networking.k8s.io/v1")
    assert route["spec"]["parentRefs"][0]["sectionName"] == "https"
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "rag", "port": 1416}]
    names = {each.inputs["metadata"]["name"] for each in policies_of(found)}
    assert {"proxy-to-rag-ingress", "proxy-nodes-to-rag-ingress"} <= names
    assert found.exports["url"] == "https://rag.example.com"


def test_a_gateway_that_passes_tls_on_gets_a_route_of_tls(deploy: Deploy, tmp_path: Path) -> None:
    found = deploy(existing(tmp_path, passing(GATEWAY)))

    route = found["rag-door-route"].inputs
    assert route["kind"] == "TLSRoute"
    assert "matches" not in route["spec"]["rules"][0]
    assert served(found)[2] == {"HTTPS"}


def test_a_backup_trusts_the_one_certificate_and_never_sees_its_key(deploy: Deploy) -> None:
    app = {"tls": {"mode": "selfSigned"}}
    found = deploy({"app": app, "backup": {"schedule": "0 3 * * *"}})

    template = found["backup-cron"].inputs["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["args"][0] == "https://rag.rag-dev.svc:1416"
    assert container["args"][-2:] == ["--pin", "/etc/rag-tls/tls.crt"]
    (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "tls"]
    assert volume["secret"]["items"] == [{"key": "tls.crt", "path": "tls.crt"}]


def test_proxies_are_trusted_only_where_a_stack_names_them(deploy: Deploy) -> None:
    def given(settings: dict[str, Any]) -> str | None:
        (container,) = deploy(settings).pods["rag"]["containers"]
        named = {each["name"]: each["value"] for each in container["env"]}
        return named.get("RAG_TRUSTED_PROXIES")

    assert given({}) is None
    assert given({"app": {"trustedProxies": ["10.0.0.0/8"]}}) == '["10.0.0.0/8"]'


LOCAL = [
    (
        {"expose": "Ingress"},
        "stackyard:app.expose: is 'Ingress'; a local cluster is reached by 'NodePort'",
    ),
    (
        {"tls": {"mode": "certManager", "issuer": "i", "hosts": ["h"]}},
        "stackyard:app.tls.mode: is 'certManager'; a local cluster has neither your Secret nor "
        "cert-manager\n      hint: pulumi config set --path 'stackyard:app.tls.mode' selfSigned",
    ),
    (
        {"tls": {"mode": "self-signed"}},
        "stackyard:app.tls.mode: is 'self-signed'; it may be 'none', 'selfSigned', 'secret' or "
        "'certManager'",
    ),
    (
        {"tls": {"secretname": "x"}},
        "stackyard:app.tls.secretname: is not a setting; the nearest is "
        "stackyard:app.tls.secretName",
    ),
    (
        {"edge": {"klass": "x"}},
        "stackyard:app.edge.klass: is not a setting; the nearest is stackyard:app.edge.class",
    ),
    (
        {"tls": {"issuer": "x"}},
        "stackyard:app.tls.issuer: is 'x'; it is only for app.tls.mode 'certManager'\n"
        "      hint: pulumi config rm --path 'stackyard:app.tls.issuer'",
    ),
    (
        {"trustedProxies": ["0.0.0.0/0"]},
        "stackyard:app.trustedProxies: has '0.0.0.0/0'; that is everybody\n"
        "      hint: pulumi config set --path 'stackyard:app.trustedProxies[0]' 10.0.0.0/8",
    ),
    (
        {"trustedProxies": ["10.0.0.1/8"]},
        "stackyard:app.trustedProxies: has '10.0.0.1/8'; 10.0.0.1/8 has host bits set\n"
        "      hint: pulumi config set --path 'stackyard:app.trustedProxies[0]' 10.0.0.0/8",
    ),
]
ELSEWHERE = [
    (
        {"tls": {"mode": "secret"}},
        "stackyard:app.tls.secretName: is not set; with app.tls.mode 'secret' it names the "
        "certificate's Secret\n      hint: pulumi config set --path 'stackyard:app.tls.secretName' "
        "NAME",
    ),
    (
        {"tls": {"mode": "secret", "secretName": "s", "ca": "/nowhere.pem"}},
        "stackyard:app.tls.ca: is '/nowhere.pem', which cannot be read: No such file or directory\n"
        "      hint: pulumi config set --path 'stackyard:app.tls.ca' PATH",
    ),
    (
        {**INGRESS, "tls": {"mode": "none"}},
        "stackyard:app.tls.mode: is 'none'; with app.expose 'Ingress' keys would travel in plain\n"
        "      hint: pulumi config set --path 'stackyard:app.tls.mode' certManager",
    ),
    (
        {**GATEWAY, "tls": {"mode": "selfSigned"}},
        "stackyard:app.tls.mode: is 'selfSigned'; the gateway's listener has the certificate, "
        "unless it passes TLS on\n"
        "      hint: pulumi config set --path 'stackyard:app.edge.passthrough' true",
    ),
    (
        {**GATEWAY, "edge": {**GATEWAY["edge"], "passthrough": True}},
        "stackyard:app.edge.passthrough: is true; the app needs a certificate for that\n"
        "      hint: pulumi config set --path 'stackyard:app.tls.mode' certManager",
    ),
    (
        {**GATEWAY, "url": "http://rag.example.com"},
        "stackyard:app.url: is 'http://rag.example.com'; with app.expose 'Gateway' callers come by "
        "https\n      hint: pulumi config set --path 'stackyard:app.url' https://rag.example.com",
    ),
    (
        {**GATEWAY, "edge": {**GATEWAY["edge"], "class": "nginx"}},
        "stackyard:app.edge.class: is 'nginx'; it is only for app.expose 'Ingress'\n"
        "      hint: pulumi config rm --path 'stackyard:app.edge.class'",
    ),
]


@pytest.mark.parametrize(("app", "problem"), LOCAL)
def test_a_wrong_setting_on_a_laptop_is_explained(
    deploy: Deploy, app: dict[str, Any], problem: str
) -> None:
    told = refusal(deploy, {"app": app})

    assert told.startswith("1 problem(s)")
    assert f"  {problem}\n" in told


@pytest.mark.parametrize(("app", "problem"), ELSEWHERE)
def test_a_wrong_setting_of_the_edge_is_explained(
    deploy: Deploy, tmp_path: Path, app: dict[str, Any], problem: str
) -> None:
    told = refusal(deploy, existing(tmp_path, app))

    assert told.startswith("1 problem(s)")
    assert f"  {problem}\n" in told


def test_all_that_a_gateway_lacks_is_told_at_once(deploy: Deploy, tmp_path: Path) -> None:
    told = refusal(deploy, existing(tmp_path, {"expose": "Gateway"}))

    assert told.startswith("4 problem(s)")
    for key in ("host", "gateway", "gatewayNamespace", "controllerNamespace"):
        assert f"stackyard:app.edge.{key}: is not set; " in told
