"""`stackyard doctor` as a command: which checks a stack gets, and how they are shown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog import GPU_OPERATOR_IMAGES, QDRANT
from stackyard.checks.registry import NGC
from stackyard.errors import Trouble
from stackyard.examining import images_of
from stackyard.planner.wants import read_wants
from stackyard.project import Stack
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_kubernetes import CLASSES, NODES, FakeKubernetes, gpu_node
from tests.stackyard.fake_registry import FakeRegistry
from tests.stackyard.fake_tools import FakeTools

DNS = "/api/v1/namespaces/kube-system/pods"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.fixture
def fake() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as running:
        running.lists[NODES] = [gpu_node()]
        running.lists[CLASSES] = [
            {
                "metadata": {"name": "local"},
                "provisioner": "rancher.io/local-path",
                "volumeBindingMode": "WaitForFirstConsumer",
            }
        ]
        running.lists[DNS] = [{"metadata": {"name": "coredns"}, "status": READY}]
        yield running


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        running.anonymous = True
        operator = {image.partition("/")[2] for image in GPU_OPERATOR_IMAGES.values()}
        running.images = {QDRANT.partition("@")[0], "nim/meta/llama-3.1-8b-instruct:2", *operator}
        yield running


@pytest.fixture
def onprem(
    tools: FakeTools,
    project: Path,
    fake: FakeKubernetes,
    registry: FakeRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setenv("PATH", tools.environment["PATH"])
    config: dict[str, Any] = {
        "stackyard:cluster": {
            "kind": "existing",
            "kubeconfig": str(fake.kubeconfig(project)),
            "context": "gpu",
            "storageClass": "local",
        },
        "stackyard:models": {
            "kind": "nim",
            "llm": {
                "maxModelLength": 8192,
                "image": "nvcr.io/nim/meta/llama-3.1-8b-instruct:2",
            },
            "embedding": {"kind": "hosted"},
            "ranking": {"kind": "hosted"},
        },
        "stackyard:registry": {"host": registry.host, "mirrored": True},
        "stackyard:ngcApiKey": "nvapi-x",
    }
    (project / "Pulumi.onprem.yaml").write_text(yaml.safe_dump({"config": config}))
    return project


def report(invoke: Invoke, stack: str = "onprem") -> dict[str, dict[str, str]]:
    read = json.loads(invoke("doctor", "--stack", stack, "--json").stdout)
    return {finding["check"]: finding for finding in read["findings"]}


def test_an_existing_cluster_is_looked_at_from_the_machine_to_its_nodes(
    onprem: Path, invoke: Invoke
) -> None:
    found = report(invoke)

    assert list(found) == [
        *("platform", "Python 3.11 to 3.13", "pulumi", "plan", "NGC key", "image", "Kubernetes"),
        *("rights in the cluster", "StorageClass", "access modes", "cluster DNS", "clock"),
        *("GPU nodes", "driver", "kernel and runtime", "GPUs", "node disk"),
    ]
    assert {finding["status"] for finding in found.values()} == {"ok"}


def test_every_finding_has_the_five_fields(onprem: Path, invoke: Invoke) -> None:
    for finding in report(invoke).values():
        assert list(finding) == ["check", "status", "what", "why", "fix"]


def test_a_healthy_stack_ends_in_0_and_a_problem_in_1(
    onprem: Path, invoke: Invoke, fake: FakeKubernetes
) -> None:
    healthy = invoke("doctor", "--stack", "onprem")
    fake.lists[CLASSES] = []

    broken = invoke("doctor", "--stack", "onprem")

    assert healthy.exit_code == 0, healthy.output
    assert broken.exit_code == 1
    assert "'local' is not there; there is none" in broken.stdout


def test_a_model_that_does_not_fit_on_the_clusters_own_nodes_is_a_problem(
    onprem: Path, invoke: Invoke, fake: FakeKubernetes
) -> None:
    fake.lists[NODES] = [gpu_node(labels={"nvidia.com/gpu.product": "Tesla-T4"})]

    found = report(invoke)["plan"]

    assert found["status"] == "problem"
    assert found["what"].startswith("llm: bf16 is not in the hardware of T4")


def test_the_plan_goes_by_the_clusters_own_nodes(onprem: Path, invoke: Invoke) -> None:
    done = invoke("plan", "--stack", "onprem")

    assert "plan of stack onprem: fits" in done.stdout
    assert "on GPU 0 of node 1 (gpu-1)" in done.stdout


def test_a_cluster_that_does_not_answer_leaves_the_plan_open(onprem: Path, invoke: Invoke) -> None:
    file = onprem / "kubeconfig"
    file.write_text(file.read_text().replace("127.0.0.1:", "127.0.0.1:1/"))

    done = invoke("plan", "--stack", "onprem")

    assert done.exit_code == 0
    assert "plan of stack onprem: unknown" in done.stdout
    assert "--node TYPE:COUNT plans without" in done.stdout


def test_a_missing_kubeconfig_is_one_problem_and_not_seven(onprem: Path, invoke: Invoke) -> None:
    (onprem / "kubeconfig").unlink()

    found = report(invoke)

    assert found["Kubernetes"]["status"] == "problem"
    assert found["Kubernetes"]["what"].startswith("there is no kubeconfig at")
    assert "StorageClass" not in found


def test_after_up_the_timeline_is_part_of_it_and_what_is_stuck_ends_in_1(
    onprem: Path, invoke: Invoke, fake: FakeKubernetes
) -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "401"}}}
    fake.lists["/api/v1/namespaces/models-onprem/pods"] = [
        {
            "metadata": {"name": "llm-0", "namespace": "models-onprem"},
            "spec": {"nodeName": "gpu-1"},
            "status": {"containerStatuses": [{"name": "nim", "imageID": "", **waiting}]},
        }
    ]

    done = invoke("doctor", "--stack", "onprem")

    assert done.exit_code == 1
    assert "the NGC key is refused: 401" in done.stdout


def test_the_operators_images_are_checked_where_it_is_installed(
    onprem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("operator", "toolkit", "devicePlugin", "driver")
    pinned = {key: f"nvcr.io/nvidia/{key.lower()}:v1" for key in keys}
    monkeypatch.setattr("infra.catalog.GPU_OPERATOR_IMAGES", pinned, raising=False)
    stack = Stack("onprem", onprem)

    references, _, _ = images_of(stack, read_wants(stack.settings))

    assert set(references) == {"qdrant", "llm", "operator", "toolkit", "devicePlugin"}


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, False),
        ({"stackyard:models": {"hours": {}}}, True),
        ({"stackyard:models": {"llm": {"scaling": {"max": 2}}}}, True),
        ({"stackyard:models": {"hours": {}}, "stackyard:keda": {"mode": "adopt"}}, False),
        ({"stackyard:models": {"hours": {}}, "stackyard:cluster": {"scope": "namespace"}}, False),
    ],
)
def test_kedas_images_are_checked_where_it_is_installed(
    onprem: Path, changes: dict[str, dict[str, Any]], there: bool
) -> None:
    file = onprem / "Pulumi.onprem.yaml"
    config = yaml.safe_load(file.read_text())["config"]
    for key, change in changes.items():
        config[key] = {**config.get(key, {}), **change}
    file.write_text(yaml.safe_dump({"config": config}))
    stack = Stack("onprem", onprem)

    references, _, _ = images_of(stack, read_wants(stack.settings))

    assert ({"keda keda", "keda metricsApiServer"} <= set(references)) is there


def test_a_key_that_is_encrypted_is_had_from_the_engine(
    onprem: Path, tools: FakeTools, stack: Stack
) -> None:
    tools.change(config={"stackyard:ngcApiKey": "nvapi-secret"})
    encrypted = Stack("onprem", onprem)
    file = encrypted.settings_file
    config = yaml.safe_load(file.read_text())
    config["config"]["stackyard:ngcApiKey"] = {"secure": "v1:abc"}
    file.write_text(yaml.safe_dump(config))

    _, credentials, key = images_of(encrypted, read_wants(encrypted.settings))

    assert key == "nvapi-secret"
    assert credentials[NGC].username == "$oauthtoken"
    assert credentials[NGC].password == "nvapi-secret"


def test_without_a_region_or_credentials_an_eks_stack_still_gets_its_other_findings(
    tools: FakeTools, project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_region: str | None) -> object:
        message = "nothing is asked of AWS here"
        raise Trouble(message, "none")

    monkeypatch.setattr("stackyard.examining.aws.clients", none)
    pool = {"name": "gpu", "instanceTypes": ["g6e.4xlarge"]}
    config = {
        "stackyard:cluster": {"kind": "eks", "gpuPools": [pool]},
        "stackyard:models": {"kind": "hosted"},
        "stackyard:registry": {"host": "127.0.0.1:1", "mirrored": True},
    }
    (project / "Pulumi.eks.yaml").write_text(yaml.safe_dump({"config": config}))

    found = report(invoke, "eks")

    assert found["aws account"]["what"] == "nothing is asked of AWS here"
    assert found["plan"]["what"] == "nothing to place"
    assert found["image"]["status"] == "problem"
