"""The whole program against a recording engine: what it registers, pod by pod, edge by edge."""

import json
from typing import Any

import pytest

from infra.registry import parse
from tests.infra.conftest import Deploy
from tests.infra.recorder import DIGEST, Deployment

HOSTED = {"models": {"kind": "hosted"}}
KEY = {"nvidiaApiKey": "nvapi-very-secret"}
WORKLOADS = {
    "rag": ("rag-dev", 65532),
    "qdrant": ("rag-dev", 1000),
    "llm": ("models-dev", 65532),
    "embedding": ("models-dev", 65532),
    "ranking": ("models-dev", 65532),
}
MEBI = {"Mi": 1, "Gi": 1024}


@pytest.fixture
def dev(deploy: Deploy) -> Deployment:
    return deploy()


def test_the_default_stack_runs_five_workloads_in_two_namespaces(dev: Deployment) -> None:
    found = {
        each.inputs["metadata"]["name"]: each.inputs["metadata"]["namespace"]
        for each in dev.of("Deployment") + dev.of("StatefulSet")
    }

    assert found == {name: namespace for name, (namespace, _) in WORKLOADS.items()}


def test_the_default_stack_exports_its_address_key_kubeconfig_and_images(dev: Deployment) -> None:
    assert dev.exports["url"] == "http://127.0.0.1:20130"
    assert dev.exports["apiKey"] == "generated-value"
    assert dev.exports["kubeconfig"] == "apiVersion: v1 # made by kind"
    assert dev.secret_exports == {"apiKey", "kubeconfig"}
    assert [each["name"] for each in dev.exports["inventory"]] == [
        "app",
        "kind-node",
        "models",
        "qdrant",
        "registry",
    ]
    assert dev.exports["inventory"][0]["image"] == f"localhost:20132/stackyard/app@{DIGEST}"
    assert dev.exports["inventory"][0]["digest"] == DIGEST


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_pod_is_restricted(dev: Deployment, name: str) -> None:
    pod = dev.pods[name]
    user = WORKLOADS[name][1]

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == name
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_container_has_limits_probes_and_a_place_for_scratch(
    dev: Deployment, name: str
) -> None:
    (container,) = dev.pods[name]["containers"]

    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[kind]["httpGet"]["port"] == "http"
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert {"name": "tmp", "emptyDir": {}} in dev.pods[name]["volumes"]


def test_the_requests_leave_room_on_two_cores_and_six_gibibytes(dev: Deployment) -> None:
    pods = [*dev.pods.values(), dev.pods["rag"]]  # while it is updated there are two of it
    requests = [pod["containers"][0]["resources"]["requests"] for pod in pods]

    cpu = sum(int(each["cpu"].removesuffix("m")) for each in requests)
    memory = sum(int(each["memory"][:-2]) * MEBI[each["memory"][-2:]] for each in requests)

    assert cpu <= 2000 - 950  # kind's control plane asks for 950m
    assert memory <= 3 * 1024


def test_every_namespace_enforces_restricted_pod_security(dev: Deployment) -> None:
    for namespace in dev.of("Namespace"):
        for mode in ("enforce", "audit", "warn"):
            label = f"pod-security.kubernetes.io/{mode}"
            assert namespace.inputs["metadata"]["labels"][label] == "restricted"
    assert len(dev.of("Namespace")) == 2


def test_every_object_carries_the_five_labels(dev: Deployment) -> None:
    for each in dev.resources:
        if each.type.startswith("kubernetes:"):
            labels = each.inputs["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "stackyard", each.name
            assert labels["app.kubernetes.io/managed-by"] == "pulumi", each.name
            assert labels["app.kubernetes.io/instance"] == "dev", each.name
            assert labels["app.kubernetes.io/name"], each.name
            assert labels["app.kubernetes.io/component"], each.name


def test_every_object_goes_through_the_clusters_own_provider(dev: Deployment) -> None:
    providers = {each.provider for each in dev.resources if each.type.startswith("kubernetes:")}

    assert providers == {
        "urn:pulumi:dev::stackyard::pulumi:pulumi:Stack$pulumi:providers:kubernetes"
        "::kubernetes::kubernetes-id"
    }


def test_volumes_are_protected_and_not_waited_for(dev: Deployment) -> None:
    claims = dev.of("PersistentVolumeClaim")

    assert {each.inputs["metadata"]["name"] for each in claims} == {"rag-data", "qdrant-data"}
    for claim in claims:
        assert claim.protect
        assert claim.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
        assert claim.inputs["spec"]["storageClassName"] == "stackyard"


@pytest.mark.parametrize(
    ("settings", "secrets", "hidden"),
    [
        ({}, {}, ["generated-value", "made by kind"]),
        ({}, {"appApiKeys": "first-key,second-key"}, ["first-key", "second-key"]),
        (HOSTED, KEY, ["nvapi-very-secret", "generated-value"]),
    ],
)
def test_no_secret_is_registered_in_plain(
    deploy: Deploy, settings: dict[str, Any], secrets: dict[str, str], hidden: list[str]
) -> None:
    deployment = deploy(settings, secrets=secrets)

    shown = json.dumps([each.shown for each in deployment.resources])
    sent = json.dumps([each.inputs for each in deployment.resources])

    for text in hidden:
        assert text in sent
        assert text not in shown


def test_generated_values_are_secret_outputs(dev: Deployment) -> None:
    assert dev["qdrant-key"].secret_outputs == ("value",)
    assert dev["qdrant-read-key"].secret_outputs == ("value",)
    assert dev["rag-key"].secret_outputs == ("value",)
    assert dev["cluster"].secret_outputs == ("kubeconfig",)


def test_no_service_is_waited_for_so_that_no_pod_waits_for_itself(dev: Deployment) -> None:
    for service in dev.of("Service"):
        assert service.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert len(dev.of("Service")) == 5


def test_the_app_gets_addresses_in_its_environment_and_keys_as_files(dev: Deployment) -> None:
    pod = dev.pods["rag"]
    (container,) = pod["containers"]

    assert {each["name"]: each["value"] for each in container["env"]} == {
        "RAG_HOST": "0.0.0.0",
        "RAG_PORT": "1416",
        "RAG_DATA_DIR": "/data",
        "RAG_LEAVE_SECONDS": "8",
        "RAG_SHUTDOWN_SECONDS": "60",
        "RAG_MEMORY_MB": "3584",
        "RAG_MAX_UPLOAD_MB": "100",
        "RAG_ENGINE": "fast",
        "RAG_API_KEYS_FILE": "/etc/rag/api-keys",
        "RAG_AUDIT_QUESTIONS": "false",
        "RAG_DEFAULT_READERS": "everyone",
        "RAG_INJECTIONS": "report",
        "RAG_QDRANT_URL": "http://qdrant.rag-dev.svc:6333",
        "RAG_QDRANT_API_KEY_FILE": "/etc/rag/qdrant-api-key",
        "RAG_QDRANT_READ_API_KEY_FILE": "/etc/rag/qdrant-read-api-key",
        "RAG_QDRANT_SHARDS": "1",
        "RAG_QDRANT_COPIES": "1",
        "RAG_LLM_URL": "http://llm.models-dev.svc:8000/v1",
        "RAG_LLM_MODEL": "stackyard/smollm2-135m-instruct",
        "RAG_EMBEDDING_URL": "http://embedding.models-dev.svc:8000/v1",
        "RAG_EMBEDDING_MODEL": "stackyard/all-minilm-l6-v2",
        "RAG_EMBEDDING_DIMENSION": "384",
        "RAG_RANKING_URL": "http://ranking.models-dev.svc:8000/v1",
        "RAG_RANKING_MODEL": "stackyard/minilm-lexical-ranker",
    }
    assert {"name": "keys", "mountPath": "/etc/rag", "readOnly": True} in container["volumeMounts"]
    assert dev["rag-keys"].inputs["stringData"] == {
        "api-keys": "generated-value\n",
        "qdrant-api-key": "generated-value",
        "qdrant-read-api-key": "generated-value",
    }


def test_given_keys_become_one_a_line_and_the_first_is_exported(deploy: Deploy) -> None:
    deployment = deploy(secrets={"appApiKeys": "first-key, second-key"})

    assert deployment["rag-keys"].inputs["stringData"]["api-keys"] == "first-key\nsecond-key\n"
    assert deployment.exports["apiKey"] == "first-key"


def test_hosted_models_need_no_namespace_and_give_the_app_a_key_file_each(deploy: Deploy) -> None:
    deployment = deploy(HOSTED, secrets=KEY)
    env = {e["name"]: e["value"] for e in deployment.pods["rag"]["containers"][0]["env"]}

    assert [each.inputs["metadata"]["name"] for each in deployment.of("Namespace")] == ["rag-dev"]
    assert env["RAG_LLM_URL"] == "https://integrate.api.nvidia.com/v1"
    assert env["RAG_EMBEDDING_DIMENSION"] == "2048"
    assert env["RAG_LLM_API_KEY_FILE"] == "/etc/rag/llm-api-key"
    files = deployment["rag-keys"].inputs["stringData"]
    assert files["llm-api-key"] == files["ranking-api-key"] == "nvapi-very-secret"


def test_the_seeds_key_serves_the_embedding_role(deploy: Deploy) -> None:
    secrets = {**KEY, "NVIDIA_EMBEDDINGS_KEY": "nvapi-of-the-seed"}

    files = deploy(HOSTED, secrets=secrets)["rag-keys"].inputs["stringData"]

    assert files["embedding-api-key"] == "nvapi-of-the-seed"
    assert files["llm-api-key"] == "nvapi-very-secret"


def test_nvidias_key_never_goes_to_another_host(deploy: Deploy) -> None:
    llm = {"kind": "hosted", "url": "https://llm.example.com/v1", "model": "own"}

    files = deploy({"models": {"llm": llm}}, secrets=KEY)["rag-keys"].inputs["stringData"]

    assert "llm-api-key" not in files
    assert "nvapi-very-secret" not in str(files)


def test_a_host_of_ones_own_gets_its_own_key(deploy: Deploy) -> None:
    llm = {"kind": "hosted", "url": "https://llm.example.com/v1", "model": "own"}
    secrets = {**KEY, "llmApiKey": "own-key"}

    files = deploy({"models": {"llm": llm}}, secrets=secrets)["rag-keys"].inputs["stringData"]

    assert files["llm-api-key"] == "own-key"


def test_a_changed_upload_limit_changes_only_the_app(deploy: Deploy) -> None:
    before = {each.name: each.inputs for each in deploy().resources if each.custom}

    after = {
        each.name: each.inputs
        for each in deploy({"app": {"maxUploadMb": 50}}).resources
        if each.custom
    }

    assert [name for name in after if after[name] != before[name]] == ["rag-deployment"]


def test_every_image_reference_is_valid_and_none_is_latest(dev: Deployment) -> None:
    for name, pod in dev.pods.items():
        reference = parse(pod["containers"][0]["image"])
        assert reference.digest or reference.tag not in (None, "latest"), name


def test_the_official_qdrant_reads_its_key_from_a_mounted_configuration(dev: Deployment) -> None:
    (container,) = dev.pods["qdrant"]["containers"]

    assert {
        "name": "key",
        "mountPath": "/qdrant/config/local.yaml",
        "subPath": "local.yaml",
        "readOnly": True,
    } in container["volumeMounts"]
    assert json.loads(dev["qdrant-secret"].inputs["stringData"]["local.yaml"]) == {
        "service": {"api_key": "generated-value", "read_only_api_key": "generated-value"}
    }


def test_the_port_may_be_chosen(deploy: Deploy) -> None:
    deployment = deploy({"cluster": {"port": 18080}})

    assert deployment.exports["url"] == "http://127.0.0.1:18080"
    assert deployment["cluster"].inputs["apiPort"] == 18081
    assert deployment["registry"].inputs["port"] == 18082
