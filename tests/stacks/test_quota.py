"""What every stack asks for fits twice into the quotas that it makes, and comes after them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infra.components.quota import mebibytes, millicores
from tests.infra.conftest import Deploy, deploy, no_machine
from tests.infra.recorder import Deployment
from tests.infra.test_gpu_settings import KEY, NIM, ONPREM, REGISTRY
from tests.stacks.test_stacks import FILES, NEEDED, kubeconfig, name_of, settings_of

__all__ = ["deploy", "kubeconfig", "no_machine"]  # fixtures

Json = dict[str, Any]
WITH_PODS = ("Deployment", "StatefulSet", "Job", "CronJob")
MORE = {
    "replicas": {"app": {"replicas": 4}, "backup": {"schedule": "0 3 * * *"}},
    "scaled-local": {
        "models": {"llm": {"scaling": {"min": 2, "max": 5}}},
        "backup": {"follow": 30},
    },
}


def largest(found: Deployment, role: str) -> int:
    """Return how many servers a role may have that an autoscaler counts."""
    (given,) = [
        each.inputs["spec"]
        for each in found.of("HorizontalPodAutoscaler") + found.of("ScaledObject")
        if each.inputs["metadata"]["name"] == role
    ]
    return int(given.get("maxReplicas") or given["maxReplicaCount"])


def asked_for(found: Deployment) -> dict[str, Counter[str]]:
    """Return what all pods of each namespace ask for, as a quota counts it."""
    totals: dict[str, Counter[str]] = {}
    for each in [resource for kind in WITH_PODS for resource in found.of(kind)]:
        spec, metadata = each.inputs["spec"], each.inputs["metadata"]
        given = spec.get("jobTemplate", {"spec": spec})["spec"]
        pod, count = given["template"]["spec"], given.get("parallelism") or 1
        if each.type.endswith(("Deployment", "StatefulSet")):
            count = spec.get("replicas") or largest(found, metadata["name"])
        beside = [e for e in pod.get("initContainers", []) if e.get("restartPolicy") == "Always"]
        total = totals.setdefault(metadata["namespace"], Counter())
        total["pods"] += count
        for container in [*pod["containers"], *beside]:
            resources = container["resources"]
            total["requests.cpu"] += count * millicores(resources["requests"]["cpu"])
            total["requests.memory"] += count * mebibytes(resources["requests"]["memory"])
            total["limits.memory"] += count * mebibytes(resources["limits"]["memory"])
            gpus = int(resources["requests"].get("nvidia.com/gpu", 0))
            total["requests.nvidia.com/gpu"] += count * gpus
    return totals


def quotas(found: Deployment) -> dict[str, Counter[str]]:
    """Return the hard limits of each namespace, in millicores and MiB."""
    result = {}
    for each in found.of("ResourceQuota"):
        hard = each.inputs["spec"]["hard"]
        result[each.inputs["metadata"]["namespace"]] = Counter(
            {
                key: mebibytes(value)
                if key.endswith("memory")
                else millicores(value)
                if key.endswith("cpu")
                else int(value)
                for key, value in hard.items()
            }
        )
    return result


def check(found: Deployment) -> None:
    asked, hard = asked_for(found), quotas(found)

    assert hard.keys() == asked.keys()
    for namespace, total in asked.items():
        for key, value in total.items():
            assert hard[namespace][key] >= 2 * value, (namespace, key)
            # a quota that nothing reaches would hold nobody back
            assert hard[namespace][key] <= 4 * value + 8192, (namespace, key)
    for each in [resource for kind in WITH_PODS for resource in found.of(kind)]:
        assert any(name.endswith("-quota-total") for name in each.after), each.name


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_stack_file_fits_twice_into_its_quotas(deploy: Deploy, path: Path) -> None:
    name, settings = name_of(path), settings_of(path)
    if name == "existing":
        settings |= {"app": {"expose": "ClusterIP"}}

    check(deploy(settings, secrets=NEEDED.get(name, {}), stack=name))


@pytest.mark.parametrize("name", MORE)
def test_a_stack_of_more_pods_fits_twice_into_its_quotas(deploy: Deploy, name: str) -> None:
    check(deploy(MORE[name]))


def test_what_the_nim_operator_makes_of_a_stack_fits_twice_into_its_quota(deploy: Deploy) -> None:
    settings = {
        "cluster": ONPREM,
        "registry": REGISTRY,
        "models": NIM,
        "nimOperator": {"mode": "adopt"},
    }
    found = deploy(settings, secrets=KEY)
    total: Counter[str] = Counter()
    for each in found.of("NIMService"):
        requests = each.inputs["spec"]["resources"]["requests"]
        total["requests.cpu"] += millicores(requests["cpu"])
        total["requests.memory"] += mebibytes(requests["memory"])
        total["requests.nvidia.com/gpu"] += int(requests["nvidia.com/gpu"])
    for each in found.of("NIMCache"):
        resources = each.inputs["spec"]["resources"]  # which it takes for requests and limits
        total["requests.cpu"] += millicores(resources["cpu"])
        total["requests.memory"] += mebibytes(resources["memory"])

    assert all(quotas(found)["models-dev"][key] >= 2 * value for key, value in total.items())
    assert total["requests.nvidia.com/gpu"] == 3
