"""The GPU operator's values by what the nodes have, and every image of it moved or not."""

import json
from typing import Any

import pytest

from infra.catalog import GPU_OPERATOR_IMAGES
from infra.registry import Registry, rewrite
from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.test_gpu_settings import EKS, KEY, NIM, ONPREM, REGISTRY

OFF = {"enabled": False}
SOCKET = {"name": "CONTAINERD_SOCKET", "value": "/run/k3s/containerd/containerd.sock"}
Settings = dict[str, Any]


def existing(**cluster: Any) -> Settings:
    return {"cluster": {**ONPREM, **cluster}, "registry": REGISTRY, "models": NIM}


def values(found: Deployment) -> dict[str, Any]:
    got: dict[str, Any] = found["gpu-operator-release"].inputs["values"]
    return got


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ({}, {"migManager": OFF}),
        ({"preinstalled": "driver"}, {"migManager": OFF, "driver": OFF}),
        (
            {"preinstalled": "driver-and-toolkit"},
            {"migManager": OFF, "driver": OFF, "toolkit": OFF},
        ),
        ({"runtime": "rke2"}, {"migManager": OFF, "toolkit": {"env": [SOCKET]}}),
        ({"runtime": "k3s"}, {"migManager": OFF, "toolkit": {"env": [SOCKET]}}),
        (
            {"runtime": "rke2", "preinstalled": "driver-and-toolkit"},
            {"migManager": OFF, "driver": OFF, "toolkit": OFF},
        ),
    ],
)
def test_the_operator_brings_what_the_nodes_lack(
    deploy: Deploy, gpu: Settings, expected: Settings
) -> None:
    found = deploy(existing(gpu=gpu), secrets=KEY)

    assert values(found) == expected


def test_the_images_of_aws_bring_driver_and_toolkit(deploy: Deploy) -> None:
    found = deploy({"cluster": EKS, "models": NIM}, secrets=KEY)
    release = found["gpu-operator-release"].inputs

    assert release["values"] == {"driver": OFF, "toolkit": OFF, "migManager": OFF}
    assert (release["chart"], release["version"]) == ("gpu-operator", "v26.7.0")
    assert release["repositoryOpts"] == {"repo": "https://helm.ngc.nvidia.com/nvidia"}
    assert release["timeout"] == 1200
    assert release["disableOpenapiValidation"] is True


def test_its_namespace_is_privileged_and_no_other_is(deploy: Deploy) -> None:
    found = deploy(existing(), secrets=KEY)

    levels = {
        each.inputs["metadata"]["name"]: each.inputs["metadata"]["labels"][
            "pod-security.kubernetes.io/enforce"
        ]
        for each in found.of("Namespace")
    }
    assert levels == {
        "gpu-operator": "privileged",
        "models-dev": "restricted",
        "rag-dev": "restricted",
    }


def test_a_gpu_is_shared_in_time(deploy: Deploy) -> None:
    operator = {"sharing": "timeSlicing", "slices": 2}
    found = deploy({**existing(), "gpuOperator": operator}, secrets=KEY)

    config = values(found)["devicePlugin"]["config"]
    assert (config["create"], config["default"]) == (True, "sharing")
    assert json.loads(config["data"]["sharing"]) == {
        "version": "v1",
        "flags": {"migStrategy": "none"},
        "sharing": {"timeSlicing": {"resources": [{"name": "nvidia.com/gpu", "replicas": 2}]}},
    }


def test_a_gpu_is_cut_by_mig(deploy: Deploy) -> None:
    operator = {"sharing": "mig", "migProfile": "all-1g.10gb"}
    found = deploy({**existing(), "gpuOperator": operator}, secrets=KEY)

    assert values(found)["mig"] == {"strategy": "single"}
    # the operator's own kind takes no profile as the default of all nodes: a label says it
    assert "migManager" not in values(found)


def test_a_taint_of_ones_own_is_tolerated_by_the_operators_pods_and_by_nfd(deploy: Deploy) -> None:
    taint = {"key": "team", "operator": "Equal", "value": "ml"}
    gpu = {"tolerations": [{"key": "nvidia.com/gpu"}, taint]}
    found = deploy(existing(gpu=gpu), secrets=KEY)

    own = {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}
    gpus = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert values(found)["daemonsets"]["tolerations"] == [gpus, own]
    worker = values(found)["node-feature-discovery"]["worker"]["tolerations"]
    assert worker[1:] == [gpus, own]
    assert worker[0]["key"] == "node-role.kubernetes.io/control-plane"
    assert own in found.pods["llm"]["tolerations"]


@pytest.mark.parametrize(
    "changes",
    [{"gpu": {"preinstalled": "operator"}}, {"scope": "namespace"}],
    ids=["there-already", "namespace-scope"],
)
def test_an_operator_that_is_there_is_not_touched(deploy: Deploy, changes: Settings) -> None:
    found = deploy(existing(**changes), secrets=KEY)

    assert not found.of("Release")
    assert "gpu-operator" not in {each.inputs["metadata"]["name"] for each in found.of("Namespace")}
    assert found.pods["llm"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_every_image_is_taken_from_a_private_registry_with_its_pull_secret(deploy: Deploy) -> None:
    settings = existing()
    settings["registry"] = {
        "host": "r.example.com",
        "prefix": "mirror",
        "mirrored": True,
        "username": "robot",
    }
    found = deploy(settings, secrets={**KEY, "registryPassword": "secret"})
    given = values(found)

    host = Registry("r.example.com", "mirror")
    for key in set(GPU_OPERATOR_IMAGES) - {"node-feature-discovery", "migManager"}:
        part: dict[str, Any] = given
        for name in key.split("."):
            part = part[name]
        image = rewrite(GPU_OPERATOR_IMAGES[key], host)
        assert image.startswith(part["repository"] + "/"), key
        assert ("imagePullSecrets" in part) == (key != "driver.manager")
    assert given["operator"]["imagePullSecrets"] == ["gpu-operator-pull-auto"]
    nfd = given["node-feature-discovery"]
    assert nfd["image"] == {"repository": "r.example.com/mirror/nfd/node-feature-discovery"}
    assert nfd["imagePullSecrets"] == [{"name": "gpu-operator-pull-auto"}]
    assert "nvcr.io" not in json.dumps(given)


def test_a_chart_in_a_file_has_its_own_version(deploy: Deploy) -> None:
    chart = {"gpuOperator": {"chart": "./charts/gpu-operator-v26.7.0.tgz"}}
    found = deploy({**existing(), **chart}, secrets=KEY)["gpu-operator-release"].inputs

    assert found["chart"] == "./charts/gpu-operator-v26.7.0.tgz"
    assert found.keys().isdisjoint({"version", "repositoryOpts"})


def test_a_chart_in_a_registry_is_asked_for_by_version(deploy: Deploy) -> None:
    chart = {"gpuOperator": {"chart": "oci://r.example.com/charts/gpu-operator"}}
    found = deploy({**existing(), **chart}, secrets=KEY)["gpu-operator-release"].inputs

    assert found["version"] == "v26.7.0"
    assert "repositoryOpts" not in found
