"""TLS between the app, Qdrant and the models: who speaks it, by what, and who is trusted."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.sealed import CERTIFICATE, PASSWORD, sealed
from tests.infra.test_gpu_settings import KEY, NIM, ONPREM, REGISTRY

TLS: dict[str, Any] = {"network": {"tls": {"mode": "selfSigned"}}}
GPUS: dict[str, Any] = {"cluster": ONPREM, "registry": REGISTRY, "models": NIM}
OPERATED = {**GPUS, "nimOperator": {"mode": "adopt"}}
SCALED = {"models": {"llm": {"scaling": {"max": 2}}}}
URLS = ("RAG_QDRANT_URL", "RAG_LLM_URL", "RAG_EMBEDDING_URL", "RAG_RANKING_URL")
FILES = {
    "NIM_SSL_MODE": "TLS",
    "NIM_SSL_CERTS_PATH": "/etc/inside-tls/tls.crt",
    "NIM_SSL_KEY_PATH": "/etc/inside-tls/tls.key",
}


@pytest.fixture(scope="module")
def laptop(deploy_once: Deploy) -> Deployment:
    return deploy_once(TLS)


def container(found: Deployment, workload: str) -> dict[str, Any]:
    (only,) = found.pods[workload]["containers"]
    return dict(only)


def environment(found: Deployment, workload: str) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(found, workload)["env"]}


def schemes(found: Deployment, workload: str) -> set[str]:
    pod = container(found, workload)
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    return {pod[each]["httpGet"].get("scheme", "HTTP") for each in probes}


def calls(found: Deployment) -> dict[str, str]:
    """Return by which scheme the app calls whom."""
    given = environment(found, "rag")
    return {name.split("_")[1].lower(): given[name].partition(":")[0] for name in URLS}


def certificates(found: Deployment) -> dict[str, dict[str, Any]]:
    """Return the Secret that each pod shows a certificate from, by workload."""
    named = {
        each.inputs["metadata"].get("name", f"{each.name}-auto"): each
        for each in found.of("Secret")
    }
    return {
        workload: named[volume["secret"]["secretName"]].inputs
        for workload, pod in found.pods.items()
        for volume in pod.get("volumes", [])
        if volume["name"] == "inside-tls"
    }


def test_without_it_everything_is_as_it_was(deploy: Deploy) -> None:
    found = deploy()

    assert set(calls(found).values()) == {"http"}
    assert found.of("GeneratedCertificate") == []
    assert "RAG_CA_FILE" not in environment(found, "rag")
    assert "NIM_SSL_MODE" not in environment(found, "llm")
    assert schemes(found, "qdrant") == schemes(found, "llm") == {"HTTP"}


def test_each_service_shows_a_certificate_of_its_own(laptop: Deployment) -> None:
    assert set(calls(laptop).values()) == {"https"}
    for name, namespace in (
        ("qdrant", "rag-dev"),
        ("llm", "models-dev"),
        ("ranking", "models-dev"),
    ):
        full = f"{name}.{namespace}.svc"
        names = [name, f"{name}.{namespace}", full, f"{full}.cluster.local"]
        assert laptop[f"inside-{name}"].inputs["hosts"] == names
        assert schemes(laptop, name) == {"HTTPS"}
        mounts = {each["name"]: each for each in container(laptop, name)["volumeMounts"]}
        assert mounts["inside-tls"] == {
            "name": "inside-tls",
            "mountPath": "/etc/inside-tls",
            "readOnly": True,
        }
    assert FILES.items() <= environment(laptop, "embedding").items()
    assert {
        "QDRANT__SERVICE__ENABLE_TLS": "true",
        "QDRANT__TLS__CERT": "/etc/inside-tls/tls.crt",
        "QDRANT__TLS__KEY": "/etc/inside-tls/tls.key",
        "QDRANT__TLS__CA_CERT": "/etc/inside-tls/ca.crt",
    }.items() <= environment(laptop, "qdrant").items()


def test_a_renewed_certificate_starts_its_pod_anew_and_its_key_is_a_secret(
    laptop: Deployment,
) -> None:
    secrets = certificates(laptop)

    assert secrets.keys() == {"qdrant", "llm", "embedding", "ranking"}
    for secret in secrets.values():
        assert secret["type"] == "kubernetes.io/tls"
        assert secret["stringData"].keys() == {"tls.crt", "tls.key", "ca.crt"}
        # Pulumi's choice: another content is another Secret
        assert "name" not in secret["metadata"]
    assert "generated-key" not in str([each.shown for each in laptop.of("Secret")])


def test_the_app_trusts_the_authorities_of_the_stack_and_of_the_site(
    laptop: Deployment, deploy: Deploy, tmp_path: Path
) -> None:
    stack = "generated-ca" * 4
    settings = sealed(tmp_path)
    settings["network"] = {**settings.get("network", {}), **TLS["network"]}

    both = deploy(settings, secrets=PASSWORD)

    assert laptop["rag-ca"].inputs["data"] == {"ca.crt": stack}
    assert environment(laptop, "rag")["RAG_CA_FILE"] == "/etc/stackyard/ca/ca.crt"
    # models call nobody inside, and NVIDIA by public authorities
    assert not [each for each in laptop.of("ConfigMap") if each.name == "models-ca"]
    # of models on GPUs only the language model has one
    assert both["rag-ca"].inputs["data"] == {"ca.crt": f"{CERTIFICATE}\n{'generated-ca' * 2}"}


def test_nodes_of_qdrant_know_each_other_by_certificates(deploy: Deploy) -> None:
    found = deploy({**GPUS, **TLS, "qdrant": {"nodes": 3}}, secrets=KEY)

    given = found["inside-qdrant"].inputs
    assert given["hosts"][-3:] == [f"qdrant-{each}.qdrant-peers" for each in range(3)]
    assert given["calls"] is True
    assert "calls" not in found["inside-llm"].inputs
    assert environment(found, "qdrant")["QDRANT__CLUSTER__P2P__ENABLE_TLS"] == "true"
    (_, _, script) = container(found, "qdrant")["command"]
    assert "me=https://$HOSTNAME.qdrant-peers:6335" in script
    assert "first=https://qdrant-0.qdrant-peers:6335" in script


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        (GPUS, {"embedding", "ranking"}),
        (OPERATED, {"llm", "embedding", "ranking"}),
        (SCALED, {"llm"}),
    ],
    ids=["nim", "operator", "scaled"],
)
def test_who_cannot_speak_tls_is_called_in_plain_and_named_by_the_preview(
    deploy: Deploy,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    plain: set[str],
) -> None:
    told: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", told.append)

    found = deploy({**settings, **TLS}, secrets=KEY)

    assert {name for name, scheme in calls(found).items() if scheme == "http"} == plain
    assert {line.split()[0] for line in told} == plain
    assert all(" is reached in plain HTTP in spite of network.tls: " in line for line in told)
    for role in plain & found.pods.keys():
        assert "NIM_SSL_MODE" not in environment(found, role)
        assert schemes(found, role) == {"HTTP"}


def test_a_nim_for_language_speaks_tls(deploy: Deploy) -> None:
    found = deploy({**GPUS, **TLS}, secrets=KEY)

    assert FILES.items() <= environment(found, "llm").items()
    assert schemes(found, "llm") == {"HTTPS"}


def test_hosted_models_are_called_as_their_address_says(deploy: Deploy) -> None:
    found = deploy({**TLS, "models": {"kind": "hosted"}}, secrets={"nvidiaApiKey": "k"})

    assert {each.name for each in found.of("GeneratedCertificate")} == {"inside-qdrant"}
