"""Checks of GPU nodes by their labels and status."""

from typing import Any

import pytest

from stackyard.checks.finding import Finding
from stackyard.checks.nodes import nodes
from stackyard.kubernetes import Kubernetes
from stackyard.planning import gpu_nodes, quantity
from tests.stackyard.fake_kubernetes import NODES, FakeKubernetes, gpu_node

SELECTOR = {"nvidia.com/gpu.present": "true"}


def found(api: Kubernetes, **options: Any) -> list[Finding]:
    return list(nodes(api, SELECTOR, ["nvidia.com/gpu"], made=options.get("made", False)))


def test_a_healthy_node_has_no_problem(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.lists[NODES] = [gpu_node()]

    assert {finding.status for finding in found(api)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "check", "what"),
    [
        (
            {
                "labels": {
                    "nvidia.com/cuda.driver-version.major": "550",
                    "nvidia.com/cuda.driver-version.full": "550.90.07",
                }
            },
            "driver",
            "gpu-1: 550.90.07",
        ),
        ({"allocatable": {"nvidia.com/gpu": "0"}}, "GPUs", "gpu-1: NVIDIA-L40S, none allocatable"),
        (
            {"taints": [{"key": "team", "value": "ml", "effect": "NoSchedule"}]},
            "taints",
            "gpu-1 has team=ml:NoSchedule",
        ),
        ({"allocatable": {"ephemeral-storage": "20Gi"}}, "node disk", "gpu-1 has 21 GB for images"),
        (
            {"conditions": [{"type": "DiskPressure", "status": "True"}]},
            "node disk",
            "gpu-1 has disk pressure",
        ),
        (
            {"runtime": "containerd://1.6.9"},
            "kernel and runtime",
            "gpu-1: Ubuntu 24.04, kernel 6.8.0, containerd://1.6.9",
        ),
    ],
)
def test_what_keeps_models_from_a_node_is_a_problem(
    fake: FakeKubernetes, api: Kubernetes, changes: dict[str, Any], check: str, what: str
) -> None:
    fake.lists[NODES] = [gpu_node(**changes)]

    problems = [finding for finding in found(api) if finding.status == "problem"]

    assert [(finding.check, finding.what) for finding in problems] == [(check, what)]
    assert all(finding.why and finding.fix for finding in problems)


def test_a_node_before_the_operator_has_an_unknown_driver(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    labels = ("nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver-version.full")
    fake.lists[NODES] = [gpu_node(without=labels)]

    assert [finding.check for finding in found(api) if finding.status == "unknown"] == ["driver"]


def test_no_gpu_node_is_a_problem_but_not_before_the_program_makes_them(api: Kubernetes) -> None:
    assert [finding.status for finding in found(api)] == ["problem"]
    assert [finding.status for finding in found(api, made=True)] == ["unknown"]


def test_the_planner_reads_gpus_cores_and_memory_from_the_same_nodes(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    cpu_only = {"metadata": {"name": "cpu", "labels": {}}, "status": {}}
    fake.lists[NODES] = [gpu_node(labels={"nvidia.com/gpu.count": "4"}), cpu_only]

    (supply,) = gpu_nodes(api)

    assert (supply.kind.gpu.name, supply.kind.gpus) == ("L40S", 4)
    assert (supply.kind.vcpus, supply.kind.memory_gib) == (15.89, 128.0)


@pytest.mark.parametrize(
    ("text", "number"), [("3920m", 3.92), ("8", 8.0), ("2Ki", 2048.0), ("31Gi", 31 * 2**30)]
)
def test_a_quantity_is_read_as_kubernetes_writes_it(text: str, number: float) -> None:
    assert quantity(text) == number
