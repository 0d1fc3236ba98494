"""A pod on a GPU node: what its pull and its card tell, and that it is gone afterwards."""

from typing import Any

import pytest

from stackyard.checks import trial as module
from stackyard.checks.finding import Finding
from stackyard.checks.trial import NAME, trial
from stackyard.kubernetes import Kubernetes
from tests.stackyard.fake_kubernetes import FakeKubernetes

PODS = "/api/v1/namespaces/models-prod/pods"
SECRETS = "/api/v1/namespaces/models-prod/secrets"
GPU = "GPU 0: NVIDIA L40S (UUID: GPU-1)"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)


def tried(fake: FakeKubernetes, api: Kubernetes, status: dict[str, Any]) -> list[Finding]:
    """Return the findings of a pod that comes to have a status at once."""
    fake.made_status = {"status": status}
    return list(
        trial(
            api,
            namespace="models-prod",
            image="registry.example.com/qdrant:1",
            selector={"nvidia.com/gpu.present": "true"},
            tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}],
            runtime="rke2",
            seconds=0.1,
        )
    )


def state(**kind: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"state": kind}]}


def test_a_card_in_the_pod_is_named_and_the_pod_is_removed(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    fake.lists[SECRETS] = [{"metadata": {"name": "models-pull"}}]

    found = tried(fake, api, state(terminated={"exitCode": 0, "message": f"{GPU}\n"}))

    assert [(each.check, each.status) for each in found] == [
        ("pull by a node", "ok"),
        ("GPU in a pod", "ok"),
    ]
    assert GPU in found[1].what
    assert fake.lists[PODS] == []
    (pod,) = fake.made
    assert pod["metadata"]["name"] == NAME
    assert pod["spec"]["imagePullSecrets"] == [{"name": "models-pull"}]
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize(
    ("status", "check", "said", "fix"),
    [
        (
            state(waiting={"reason": "ErrImagePull", "message": "x509: unknown authority"}),
            "pull by a node",
            "x509: unknown authority",
            "/etc/rancher/rke2/registries.yaml",
        ),
        (
            state(terminated={"exitCode": 127, "message": "sh: nvidia-smi: not found"}),
            "GPU in a pod",
            "nvidia-smi: not found",
            "cluster.gpu.runtime: rke2",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
                    }
                ]
            },
            "GPU in a pod",
            "Insufficient nvidia.com/gpu",
            "kubectl get nodes",
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_file_that_survives_a_restart(
    fake: FakeKubernetes, api: Kubernetes, status: dict[str, Any], check: str, said: str, fix: str
) -> None:
    found = tried(fake, api, status)

    assert (found[-1].check, found[-1].status) == (check, "problem")
    assert said in found[-1].what
    assert fix in found[-1].fix
    assert fake.lists[PODS] == []


def test_a_pull_that_takes_long_is_not_called_wrong(fake: FakeKubernetes, api: Kubernetes) -> None:
    (finding,) = tried(fake, api, state(waiting={"reason": "ContainerCreating"}))

    assert finding.status == "unknown"
