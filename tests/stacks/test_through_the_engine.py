"""The GPU stacks through the real engine; AWS, Kubernetes and image builds are doubles.

What AWS is asked for is checked against its own service models; nothing is made anywhere.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.sealed import write_files
from tests.stacks.doubles.driver import Driver
from tests.stacks.test_stacks import NEEDED, profiles_of_a_sealed_site
from tools import toolchain

pytestmark = pytest.mark.engine
ANOTHER_VERSION = """
import infra.catalog

infra.catalog.QDRANT = "qdrant/qdrant:{version}-unprivileged"
from infra.program import deploy

deploy()
"""

DOWNLOADING = """
import pulumi
import pulumi_kubernetes as k8s
from infra.clusters.cluster import GpuPlace
from infra.components.filling_job import filling_job
from infra.components.nim_download import FILES, told_of_a_wait
from infra.components.scope import Scope

namespace = pulumi.Output.from_input("models-x")
cluster = k8s.Provider("cluster", kubeconfig="none")
job = filling_job(
    "llm-download",
    name="llm-download-{files}",
    label="llm-download",
    role="llm",
    scope=Scope(stack="x", name="models-x", namespace=namespace),
    account="llm",
    gpu=GpuPlace(node_selector={{}}, tolerations=[]),
    pull_secrets=None,
    container=k8s.core.v1.ContainerArgs(name="download", image="{image}"),
    claim="llm-cache",
    opts=pulumi.ResourceOptions(provider=cluster),
)
pod = {{"containers": [{{"name": "llm", "image": "{image}"}}]}}
metadata = {{"labels": {{"a": "b"}}, "annotations": {{FILES: "{files}"}}}}
k8s.apps.v1.Deployment(
    "llm-deployment",
    metadata={{"name": "llm"}},
    spec={{
        "selector": {{"matchLabels": {{"a": "b"}}}},
        "template": {{"metadata": metadata, "spec": pod}},
    }},
    opts=pulumi.ResourceOptions(
        provider=cluster, depends_on=[job], hooks=told_of_a_wait("llm", "models-x", "{files}")
    ),
)
"""


@pytest.fixture(scope="module")
def eks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("eks")
        patch.setenv("STACKYARD_HOME", str(folder / "home"))
        yield Driver("eks", folder)


@pytest.fixture(scope="module")
def onprem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("onprem")
        patch.setenv("STACKYARD_HOME", str(folder / "home"))
        yield Driver("onprem", folder)


@pytest.fixture
def scaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    return Driver("scaled", tmp_path)


def test_the_eks_stack_lives_its_whole_life_on_doubles_of_aws_and_kubernetes(eks: Driver) -> None:
    # a preview and an update, of which the first changes nothing
    said = eks.up(preview=True)
    assert "plan of stack eks: fits" in said
    made = [name for method, name in eks.calls() if method == "create"]
    assert len(made) == len(set(made))
    _in_order(
        made,
        "Vpc net-vpc",
        "NatGateway net-nat-a",
        "Cluster eks-cluster",
        "Addon eks-base-vpc-cni",
        "NodeGroup nodes-llm-group",
        "Addon eks-more-aws-ebs-csi-driver",
        "StorageClass storage",
        "Release gpu-operator-release",
        "Job llm-download",
        "Deployment llm-deployment",
    )

    eks.set("cluster.gpuPools[0].max", "2")
    eks.up()
    # and nothing else differs at a second time
    assert eks.calls() == [("update", "NodeGroup nodes-llm-group")]

    eks.destroy()
    gone = [name for method, name in eks.calls() if method == "delete"]
    _in_order(
        gone,
        "Deployment llm-deployment",
        "PersistentVolumeClaim llm-cache",
        "Addon eks-more-aws-ebs-csi-driver",
        "NodeGroup nodes-llm-group",
        "Cluster eks-cluster",
        "Route net-private-a-out",
        "NatGateway net-nat-a",
        "InternetGateway net-internet",
        "Vpc net-vpc",
    )
    # a load balancer's interfaces go with its Service, long before the network that they are in
    _in_order(gone, "Service rag-service", "NodeGroup nodes-system-group", "Subnet net-private-a")
    assert sorted(gone) == sorted(made)


def test_a_private_cluster_comes_in_two_steps_because_nobody_is_in_its_network_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    driver = Driver("eks", tmp_path)
    driver.set("cluster.endpoint", "private")
    driver.set("registry.mirrored", "true")
    driver.set("gpuOperator.chart", "./gpu-operator-v26.7.0.tgz")
    for role in ("llm", "embedding", "ranking"):
        driver.set(f"models.{role}.preloaded", "true")

    driver.set("cluster.bare", "true")
    driver.up()
    kinds = {line["urn"].split("::")[2].rpartition("$")[2] for line in driver.lines()}
    assert {kind.partition(":")[0] for kind in kinds} == {"aws"}
    assert {"aws:ec2/vpc:Vpc", "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"} <= kinds
    driver.calls()

    driver.set("cluster.bare", "false")
    driver.up()
    then = driver.calls()
    assert {method for method, _ in then} == {"create"}
    assert {"StorageClass storage", "Deployment llm-deployment"} <= {name for _, name in then}


def test_the_onprem_stack_lives_its_whole_life_on_doubles(onprem: Driver) -> None:
    said = onprem.up(preview=True)
    assert "plan of stack onprem: unknown" in said
    made = [name for method, name in onprem.calls() if method == "create"]
    _in_order(made, "Release gpu-operator-release", "Job llm-download", "Deployment llm-deployment")
    assert not [name for name in made if name.startswith(("Vpc", "Cluster", "StorageClass"))]
    assert NEEDED["onprem"]["ngcApiKey"] not in onprem.pulumi("stack", "export")

    onprem.set("models.llm.profile", "vllm-bf16-tp1-pp1")
    onprem.up()
    changed = {name for _, name in onprem.calls()}
    assert changed == {"Job llm-download", "Deployment llm-deployment"}

    onprem.destroy()
    gone = [name for method, name in onprem.calls() if method == "delete"]
    _in_order(gone, "Deployment llm-deployment", "Release gpu-operator-release")


def test_a_download_is_left_alone_until_its_files_change_and_a_preview_tells_of_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    driver = Driver("onprem", tmp_path)
    program = driver.project / "__main__.py"

    program.write_text(DOWNLOADING.format(files="a", image="one"))
    driver.up()
    driver.calls()
    program.write_text(DOWNLOADING.format(files="a", image="two"))
    driver.up()
    # another pod is no other file
    assert driver.calls() == [("update", "Deployment llm-deployment")]

    program.write_text(DOWNLOADING.format(files="b", image="three"))
    previewed, _, updated = driver.up(preview=True).partition("Updating (")

    assert "warning: llm-download runs anew, and without models.llm.profile on a GPU" in previewed
    assert "kubectl scale -n models-x deployment/llm --replicas=0" in previewed
    assert updated
    assert "runs anew" not in updated
    called = driver.calls()
    assert called.count(("create", "Job llm-download")) == 1
    assert called.count(("delete", "Job llm-download")) == 1
    # what is made anew is the pod of today
    (job,) = [each for urn, (_, each) in resources(driver).items() if urn.endswith("llm-download")]
    assert job["spec"]["template"]["spec"]["containers"] == [{"name": "download", "image": "three"}]


def test_keda_and_a_server_are_there_before_it_is_scaled_and_go_after_that(
    scaled: Driver,
) -> None:
    scaled.up()
    made = [name for method, name in scaled.calls() if method == "create"]
    for role in ("llm", "ranking"):
        _in_order(made, "Release keda-release", f"ScaledObject {role}-scaling")
        # KEDA does not watch for a Deployment that is not there yet
        _in_order(made, f"Deployment {role}-deployment", f"ScaledObject {role}-scaling")

    scaled.destroy()
    gone = [name for method, name in scaled.calls() if method == "delete"]
    _in_order(gone, "ScaledObject llm-scaling", "Deployment llm-deployment")
    _in_order(gone, "ScaledObject llm-scaling", "Release keda-release", "Namespace keda-namespace")
    assert sorted(gone) == sorted(made)


@pytest.mark.parametrize("name", ["existing", "hosted", "airgapped"])
def test_every_other_example_comes_stays_and_goes_whole_on_doubles(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    driver = Driver(name, tmp_path)
    if name == "existing":
        driver.set("app.expose", "ClusterIP")  # at a LoadBalancer it wants a certificate of yours
    if name == "airgapped":
        files = write_files(tmp_path / "project", profiles=profiles_of_a_sealed_site())
        for key, file in files.items():
            driver.set(f"registry.{key}", file)

    driver.up()
    made = [called for method, called in driver.calls() if method == "create"]
    # side by side: the app answers without its store, and says so
    assert {"StatefulSet qdrant-statefulset", "Deployment rag-deployment"} <= set(made)
    driver.up()
    assert driver.calls() == []

    driver.destroy()
    gone = [called for method, called in driver.calls() if method == "delete"]
    assert sorted(gone) == sorted(made)


def test_a_version_two_steps_on_is_refused_before_anything_changes_and_the_next_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    toolchain.ensure()
    driver = Driver("existing", tmp_path)
    driver.set("app.expose", "ClusterIP")
    driver.up()
    driver.calls()
    before = resources(driver)
    program = driver.project / "__main__.py"

    program.write_text(ANOTHER_VERSION.format(version="v1.21.0"))
    told = driver.refused("up", "--yes", "--skip-preview")

    assert (
        "Qdrant would go from v1.19.0-unprivileged to v1.21.0-unprivileged; it reads what" in told
    )
    assert "hint: go by way of the stackyard that brings the version in between" in told
    assert driver.calls() == []
    assert resources(driver) == before

    program.write_text(ANOTHER_VERSION.format(version="v1.20.0"))
    driver.up()

    assert driver.calls() == [
        ("update", "VersionStep qdrant-version"),
        ("update", "StatefulSet qdrant-statefulset"),
    ]


def resources(driver: Driver) -> dict[str, tuple[str | None, Any]]:
    """Return what the state has of each but the stack itself, whose outputs every run writes."""
    exported = json.loads(driver.pulumi("stack", "export", "--show-secrets"))
    found = exported["deployment"]["resources"]
    return {
        each["urn"]: (each.get("id"), each.get("inputs"))
        for each in found
        if each["type"] != "pulumi:pulumi:Stack"
    }


def _in_order(found: list[str], *wanted: str) -> None:
    places = [found.index(name) for name in wanted]
    assert places == sorted(places), [name for name in found if name in wanted]
