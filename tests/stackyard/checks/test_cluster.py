"""Checks of a cluster, against a stand-in API server."""

from email.utils import formatdate
from time import time

import pytest

from stackyard.checks import cluster
from stackyard.checks.finding import Finding, ok, run
from stackyard.kubernetes import Kubernetes
from tests.stackyard.fake_kubernetes import CLASSES, NODES, FakeKubernetes, Json

DNS = "/api/v1/namespaces/kube-system/pods"


def storage_class(
    name: str, *, default: bool = False, binding: str = "WaitForFirstConsumer"
) -> Json:
    annotations = {cluster.DEFAULT_CLASS: "true"} if default else {}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": "ebs.csi.aws.com",
        "volumeBindingMode": binding,
    }


def test_a_version_that_the_operator_supports_is_fine(api: Kubernetes) -> None:
    assert list(cluster.version(api)) == [ok("Kubernetes", f"v1.35.2 at {api.server}")]


def test_an_old_version_is_a_problem(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.minor = "29+"

    found = list(cluster.version(api))

    assert found[0].status == "problem"
    assert found[0].why == "GPU operator 26.7 supports 1.33 to 1.36"


def test_everything_that_up_creates_is_asked_for(api: Kubernetes) -> None:
    found = list(cluster.rights(api, ["rag-x"], everywhere=True))

    assert found == [ok("rights in the cluster", "everything that `up` creates is allowed")]


def test_a_right_that_is_missing_is_named(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.denied = {("customresourcedefinitions", "")}

    found = list(cluster.rights(api, ["rag-x"], everywhere=True))

    assert found[0].what == "may not create customresourcedefinitions"
    assert found[0].fix.startswith("kubectl auth can-i create customresourcedefinitions")


def test_in_namespaces_only_the_rights_there_are_asked_for(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    fake.denied = {("namespaces", ""), ("jobs", "models-x")}

    found = list(cluster.rights(api, ["rag-x", "models-x"], everywhere=False))

    assert found[0].what == "may not create jobs in models-x"


def test_the_default_class_is_found(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.lists[CLASSES] = [storage_class("gp3", default=True), storage_class("slow")]

    found = list(cluster.storage(api, None))

    assert [finding.status for finding in found] == ["ok", "ok"]
    assert found[0].what == "gp3 (ebs.csi.aws.com)"


@pytest.mark.parametrize(
    ("classes", "wanted", "what"),
    [
        ([], None, "none is the default; there is none"),
        ([storage_class("gp3")], None, "none is the default; there is gp3"),
        ([storage_class("gp3")], "fast", "'fast' is not there; there is gp3"),
        (
            [storage_class("a", default=True), storage_class("b", default=True)],
            None,
            "a, b are all the default",
        ),
    ],
)
def test_a_volume_that_would_stay_pending_is_a_problem(
    fake: FakeKubernetes, api: Kubernetes, classes: list[Json], wanted: str | None, what: str
) -> None:
    fake.lists[CLASSES] = classes

    found = list(cluster.storage(api, wanted))

    assert [(finding.status, finding.what) for finding in found] == [("problem", what)]


def test_a_class_that_binds_at_once_is_a_problem(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.lists[CLASSES] = [storage_class("gp2", binding="Immediate")]

    found = list(cluster.storage(api, "gp2"))

    assert found[-1].what == "gp2 binds immediately"


def test_a_restricted_operator_namespace_is_a_problem(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    labels = {cluster.ENFORCE: "baseline"}
    fake.lists["/api/v1/namespaces"] = [
        {"metadata": {"name": "gpu-operator", "labels": labels}},
        {"metadata": {"name": "rag-x", "labels": {cluster.ENFORCE: "restricted"}}},
    ]

    found = list(cluster.pod_security(api, "gpu-operator", ["rag-x", "models-x"]))

    assert [(finding.status, finding.what) for finding in found] == [
        ("problem", "gpu-operator enforces 'baseline'"),
        ("ok", "rag-x: restricted"),
    ]
    assert "enforce=privileged --overwrite" in found[0].fix


@pytest.mark.parametrize(
    ("ready", "status"), [(["True"], "ok"), (["False"], "problem"), ([], "unknown")]
)
def test_dns_needs_a_ready_pod(
    fake: FakeKubernetes, api: Kubernetes, ready: list[str], status: str
) -> None:
    fake.lists[DNS] = [
        {
            "metadata": {"name": "coredns"},
            "status": {"conditions": [{"type": "Ready", "status": s}]},
        }
        for s in ready
    ]

    assert [finding.status for finding in cluster.dns(api)] == [status]


@pytest.mark.parametrize(
    ("words", "opened", "status", "what"),
    [
        (["-localip", "169.254.25.10"], [], "ok", "is on 169.254.25.10"),
        (["-localip=169.254.20.10"], [], "ok", "is on 169.254.20.10"),
        (
            ["-localip", "169.254.20.10,10.96.0.10"],
            [],
            "problem",
            "is on 169.254.20.10, 10.96.0.10; 10.96.0.10 is not open",
        ),
        (
            ["-localip", "169.254.20.10,10.96.0.10"],
            ["10.96.0.10/32"],
            "ok",
            "is on 169.254.20.10, 10.96.0.10",
        ),
        ([], [], "ok", "is on addresses that its pods do not tell"),
    ],
)
def test_a_cache_of_names_on_the_nodes_is_told_with_what_the_policies_keep_from_it(
    fake: FakeKubernetes,
    api: Kubernetes,
    words: list[str],
    opened: list[str],
    status: str,
    what: str,
) -> None:
    fake.lists[DNS] = [
        {
            "metadata": {"name": "node-local-dns-x", "labels": {"k8s-app": "node-local-dns"}},
            "spec": {"containers": [{"args": words}]},
        }
    ]

    (found,) = [each for each in cluster.dns(api, opened) if each.check == "NodeLocal DNSCache"]

    assert (found.status, found.what) == (status, what)
    if status == "problem":
        assert found.fix == "pulumi config set --path 'stackyard:network.dns[0]' 10.96.0.10"


def test_clocks_apart_are_a_problem(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.date = formatdate(time() + 600, usegmt=True)

    found = list(cluster.clock(api))

    assert found[0].status == "problem"
    assert found[0].what.endswith("s behind the API server's")


def test_clocks_together_are_fine(api: Kubernetes) -> None:
    assert [finding.status for finding in cluster.clock(api)] == ["ok"]


def test_what_may_not_be_read_is_unknown_and_stops_nothing(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    fake.refused[NODES] = 403

    def reads_nodes() -> list[Finding]:
        return [ok("nodes", str(api.items(NODES)))]

    found = list(run(reads_nodes))

    assert [(each.check, each.status, each.what) for each in found] == [
        ("reads nodes", "unknown", "403: nodes is forbidden")
    ]
