"""Roles on GPUs by NVIDIA's NIM operator: the same endpoint, its own resources in its own shape."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.components.nim_service import image_parts
from infra.registry import parse
from tests.infra.conftest import Deploy
from tests.infra.recorder import DIGEST, Deployment
from tests.infra.test_gpu_settings import EKS, KEY, NIM, ONPREM, REGISTRY, refusal
from tests.stacks.openapi import Definition, problems, whole

INSTALL = {"mode": "install"}
OPERATED = {
    "cluster": ONPREM,
    "registry": REGISTRY,
    "models": {**NIM, "llm": {"profile": "vllm-bf16-tp1-pp1", "maxModelLength": 8192}},
    "nimOperator": INSTALL,
}
ROLES = ("llm", "embedding", "ranking")


@pytest.fixture(scope="module")
def operated(deploy_once: Deploy) -> Deployment:
    return deploy_once(OPERATED, secrets=KEY)


def spec(found: Deployment, name: str) -> dict[str, Any]:
    got: dict[str, Any] = whole(found[name].inputs["spec"])
    return got


def schema_of(kind: str) -> Definition:
    """Return the schema of a resource's spec: NVIDIA's own where it is at hand, else ours."""
    folder = os.environ.get("STACKYARD_NIM_OPERATOR_CRDS")
    if folder is None:
        ours = yaml.safe_load(Path(__file__).with_name("nim_operator.yaml").read_text())
        return dict(ours[kind])
    given = yaml.safe_load((Path(folder) / f"apps.nvidia.com_{kind.lower()}s.yaml").read_text())
    (version,) = given["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


def test_the_endpoint_is_the_same_by_either_provider(
    operated: Deployment, deploy_once: Deploy
) -> None:
    plain = deploy_once({**OPERATED, "nimOperator": {}}, secrets=KEY)

    for found in (operated, plain):
        env = {
            each["name"]: each.get("value") for each in found.pods["rag"]["containers"][0]["env"]
        }
        assert env["RAG_LLM_URL"] == "http://llm.models-dev.svc:8000/v1"
        assert env["RAG_LLM_MODEL"] == "meta/llama-3.1-8b-instruct"
    # also for the engine, so that a change of provider makes no new one
    assert operated["llm-cache"].inputs == plain["llm-cache"].inputs
    assert {each.type for each in operated.resources if each.name == "llm"} == {
        each.type for each in plain.resources if each.name == "llm"
    }
    assert "llm-deployment" not in {each.name for each in operated.resources}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("change", [{}, {"preloaded": True}, {"gpus": 2, "cpu": "500m"}])
def test_its_resources_have_the_fields_of_release_3_1_2(
    deploy: Deploy, role: str, change: dict[str, Any]
) -> None:
    models = {**NIM, **dict.fromkeys(ROLES, change)}
    found = deploy({**OPERATED, "models": models}, secrets=KEY)

    made = [each for each in found.resources if each.name.startswith(f"{role}-nim")]

    assert len(made) == (1 if change.get("preloaded") else 2)
    for each in made:
        kind = each.inputs["kind"]
        assert each.inputs["apiVersion"] == "apps.nvidia.com/v1alpha1"
        assert problems({}, schema_of(kind), whole(each.inputs["spec"]), kind) == []


def test_the_cache_takes_one_profile_to_our_volume_on_tainted_nodes(operated: Deployment) -> None:
    cache = spec(operated, "llm-nimcache")

    assert cache["source"]["ngc"]["model"] == {"profiles": ["vllm-bf16-tp1-pp1"]}
    assert cache["source"]["ngc"]["authSecret"] == "ngc-api"
    assert cache["storage"] == {"pvc": {"create": False, "name": "llm-cache"}}
    assert cache["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    # one that is not named is chosen by the operator among those of as many GPUs
    other = spec(operated, "embedding-nimcache")
    assert other["source"]["ngc"]["model"] == {"tensorParallelism": "1"}


def test_the_service_asks_for_its_gpus_and_waits_as_long_as_the_stack_says(
    operated: Deployment,
) -> None:
    service = spec(operated, "llm-nimservice")
    metadata = operated["llm-nimservice"].inputs["metadata"]

    assert service["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert service["storage"]["nimCache"] == {
        "name": "llm-download",
        "profile": "vllm-bf16-tp1-pp1",
    }
    assert service["startupProbe"]["probe"]["failureThreshold"] == 180
    env = {each["name"]: each["value"] for each in service["env"]}
    assert env["NIM_MAX_MODEL_LEN"] == "8192"
    assert env["NIM_DISABLE_MODEL_DOWNLOAD"] == "1"
    assert not {"NIM_CACHE_PATH", "NIM_SERVER_PORT"} & env.keys()
    assert metadata["name"] == "llm"
    assert metadata["annotations"]["pulumi.com/waitFor"] == "jsonpath={.status.state}=Ready"
    assert metadata["annotations"]["pulumi.com/patchForce"] == "true"


def test_the_operators_pods_are_let_in_and_out_as_ours_are(
    operated: Deployment,
) -> None:
    policies = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]
        for each in operated.of("NetworkPolicy")
        if each.inputs["metadata"]["namespace"] == "models-dev"
    }
    labels = [
        each["podSelector"].get("matchLabels")
        for name, each in policies.items()
        if name not in ("default-deny", "dns")
    ]

    server = {"app.kubernetes.io/name": "llm", "app.kubernetes.io/instance": "llm"}
    assert server in labels
    assert {"app.kubernetes.io/name": "llm-download"} in labels
    assert {each["app.kubernetes.io/name"] for each in labels} == {
        name for role in ROLES for name in (role, f"{role}-download")
    }


def test_only_its_namespaces_are_less_than_restricted(operated: Deployment) -> None:
    levels = {
        each.inputs["metadata"]["name"]: each.inputs["metadata"]["labels"][
            "pod-security.kubernetes.io/enforce"
        ]
        for each in operated.of("Namespace")
    }

    assert levels == {
        "gpu-operator": "privileged",
        "models-dev": "baseline",
        "nim-operator": "restricted",
        "rag-dev": "restricted",
    }


def test_the_operator_pulls_each_image_by_the_secret_of_its_registry(deploy: Deploy) -> None:
    embedding = {"image": "r.example.com/nim/own:2", "model": "our/own", "dimension": 384}
    settings = {
        **OPERATED,
        "registry": {**REGISTRY, "username": "robot"},
        "models": {**NIM, "embedding": embedding},
    }

    found = deploy(settings, secrets={**KEY, "registryPassword": "p"})

    caches = {
        role: spec(found, f"{role}-nimcache")["source"]["ngc"]["pullSecret"]
        for role in ("llm", "embedding")
    }
    assert caches == {"llm": "ngc-pull", "embedding": "models-pull-auto"}
    service = spec(found, "embedding-nimservice")
    assert service["image"]["pullSecrets"] == ["models-pull-auto", "ngc-pull"]


def test_a_preloaded_volume_needs_no_cache_and_no_real_key(deploy: Deploy) -> None:
    models = {**NIM, **{each: {"preloaded": True} for each in ROLES}}
    found = deploy({**OPERATED, "models": models})

    service = spec(found, "llm-nimservice")
    assert service["storage"]["pvc"] == {"create": False, "name": "llm-cache"}
    assert service["authSecret"] == "llm-no-key"
    assert found["llm-no-key"].inputs["stringData"] == {"NGC_API_KEY": "none"}
    assert found["llm-cache"].protect is True


def test_the_operator_is_installed_before_with_its_webhook_off(operated: Deployment) -> None:
    release = operated["nim-operator-release"].inputs

    assert (release["chart"], release["version"]) == ("k8s-nim-operator", "3.1.2")
    assert release["values"] == {
        "operator": {
            "image": {
                "repository": "nvcr.io/nvidia/cloud-native/k8s-nim-operator",
                "tag": "v3.1.2",
                "pullPolicy": "IfNotPresent",
                "pullSecrets": ["nim-operator-pull-auto"],
            },
            "admissionController": {"enabled": False},
        },
        "dynamo": {"enabled": False},
    }
    names = [each["name"] for each in operated.exports["inventory"]]
    assert "nim-operator" in names


def test_an_adopted_operator_is_not_touched(deploy: Deploy) -> None:
    found = deploy({**OPERATED, "nimOperator": {"mode": "adopt"}}, secrets=KEY)

    assert not [each for each in found.resources if each.name.startswith("nim-operator")]
    assert spec(found, "llm-nimservice")["authSecret"] == "ngc-api"


def test_a_mirrored_stack_takes_its_image_from_there_too(deploy: Deploy) -> None:
    settings = {**OPERATED, "registry": {**REGISTRY, "prefix": "all", "mirrored": True}}
    found = deploy(settings, secrets=KEY)

    image = found["nim-operator-release"].inputs["values"]["operator"]["image"]
    assert image["repository"] == "r.example.com/all/nvidia/cloud-native/k8s-nim-operator"
    puller = spec(found, "llm-nimcache")["source"]["ngc"]["modelPuller"]
    assert puller.startswith("r.example.com/all/nim/")


@pytest.mark.parametrize("image", ["r.io/a/b:1.2", f"r.io/a/b@{DIGEST}", f"r.io/a/b:1.2@{DIGEST}"])
def test_an_image_in_two_parts_is_the_same_image(image: str) -> None:
    repository, tag = image_parts(image)

    joined = parse(f"{repository}:{tag}" if "@" not in repository else image)
    assert (repository, tag) == image_parts(str(joined))
    wanted = parse(image).digest or parse(image).tag
    assert f"{repository}:{tag}".endswith(str(wanted))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"cluster": {**ONPREM, "scope": "namespace"}, "nimOperator": {"mode": "adopt"}}, "mode"),
        ({"cluster": EKS, "registry": {}, "nimOperator": {"mode": "adopt"}}, "mode"),
        ({"nimOperator": {"version": "3.1.1"}}, "version"),
        ({"models": {}, "nimOperator": INSTALL}, "mode"),
    ],
)
def test_what_cannot_work_is_refused(deploy: Deploy, settings: dict[str, Any], key: str) -> None:
    base = {"cluster": ONPREM, "registry": REGISTRY, "models": NIM}

    (problem,) = refusal(
        deploy, {**base, **settings}, KEY if settings.get("models") is None else {}
    )

    assert problem.startswith(f"stackyard:nimOperator.{key}: is ")
    assert "hint: pulumi config" in problem


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"hours": {}}, "hours"),
        ({"embedding": {"scaling": {"min": 1}}}, "embedding.scaling"),
        ({"llm": {"artefact": f"r.example.com/models/llm@{DIGEST}"}}, "llm.artefact"),
    ],
)
def test_what_its_pods_would_not_heed_is_refused(
    deploy: Deploy, change: dict[str, Any], key: str
) -> None:
    (problem,) = refusal(deploy, {**OPERATED, "models": {**NIM, **change}}, KEY)

    assert problem.startswith(f"stackyard:models.{key}: is ")
    assert "nimOperator.mode is 'install'" in problem
    assert problem.endswith("hint: pulumi config set --path 'stackyard:nimOperator.mode' none")


def test_its_volume_and_its_way_out_are_as_the_stack_says(deploy: Deploy) -> None:
    models = {**NIM, "llm": {"cacheAccess": "ReadWriteMany", "cacheStorageClass": "cephfs"}}
    proxy = {"proxy": {"https": "http://proxy.example.com:3128"}}

    found = deploy({**OPERATED, "models": models, "network": proxy}, secrets=KEY)

    assert found["llm-cache"].inputs["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in ("llm-nimcache", "llm-nimservice"):
        env = {each["name"]: each["value"] for each in spec(found, name)["env"]}
        assert env["https_proxy"] == "http://proxy.example.com:3128"
        assert ".svc" in env["NO_PROXY"]


def test_its_pods_would_be_denied_by_the_rules_of_the_policy(deploy: Deploy) -> None:
    (problem,) = refusal(deploy, {**OPERATED, "policy": {"admission": "deny"}}, KEY)

    assert problem == (
        "stackyard:policy.admission: is 'deny'; the pods of the NIM operator break its rules, "
        "because nimOperator.mode is 'install'\n"
        "hint: pulumi config set --path 'stackyard:policy.admission' warn"
    )
