"""The lock against a cluster's nodes and pods, both ways."""

import json
from pathlib import Path
from typing import Any

from stackyard.bundle.lock import Item, Lock, write_lock
from stackyard.bundle.verify import differences
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_kubernetes import FakeKubernetes

ONE, TWO, THREE = (f"sha256:{letter * 64}" for letter in "123")


def lock() -> Lock:
    items = [
        Item(kind="image", name="app", reference="x.io/app:1", digest=ONE, source="built"),
        Item(kind="image", name="qdrant", reference="q/qdrant:1", digest=TWO, source="catalog"),
    ]
    return Lock(stack="dev", python="3.11", items=tuple(items))


def node(*names: str) -> dict[str, Any]:
    return {"metadata": {"name": "n1"}, "status": {"images": [{"names": list(names)}]}}


def pod(namespace: str, digest: str) -> dict[str, Any]:
    status = {"image": "r/app:1", "imageID": f"r/app@{digest}"}
    return {
        "metadata": {"namespace": namespace, "name": "p1"},
        "status": {"containerStatuses": [status]},
    }


def test_what_runs_and_is_locked_is_no_difference() -> None:
    nodes = [node(f"r/app@{ONE}", f"r/q/qdrant@{TWO}", "r/app:1")]

    assert list(differences(lock(), nodes, [pod("rag-dev", ONE)], {"rag-dev"})) == []


def test_a_pod_with_another_image_fails_and_a_node_that_holds_one_is_told() -> None:
    nodes = [node(f"r/app@{ONE}", f"r/app@{THREE}")]

    found = list(differences(lock(), nodes, [pod("rag-dev", THREE)], {"rag-dev"}))

    assert [(each.where, each.fails) for each in found] == [
        ("pod rag-dev/p1", True),
        ("image:qdrant", False),
        ("node n1", False),
    ]
    assert "another digest of an image of the lock" in found[2].what


def test_other_peoples_pods_are_not_ours() -> None:
    nodes = [node(f"r/app@{ONE}", f"r/q/qdrant@{TWO}")]

    assert list(differences(lock(), nodes, [pod("kube-system", THREE)], {"rag-dev"})) == []


def test_the_command_asks_the_nodes_and_fails_where_a_pod_is_not_locked(
    tmp_path: Path, invoke: Invoke
) -> None:
    """The API server is the stand-in: nodes with chosen images cannot be had."""
    (tmp_path / "Pulumi.yaml").write_text("name: stackyard\nruntime: python\n")
    write_lock(tmp_path / "bundle.lock", lock())
    settings = tmp_path / "Pulumi.dev.yaml"
    with FakeKubernetes() as cluster:
        kubeconfig = cluster.kubeconfig(tmp_path)
        told = {"kind": "existing", "kubeconfig": str(kubeconfig), "context": "gpu"}
        settings.write_text(json.dumps({"config": {"stackyard:cluster": told}}))
        cluster.lists["/api/v1/nodes"] = [node(f"r/app@{ONE}", f"r/q/qdrant@{TWO}")]
        cluster.lists["/api/v1/pods"] = [pod("rag-dev", ONE)]
        good = invoke("bundle", "verify", "--cluster", "--settings", settings)
        cluster.lists["/api/v1/pods"] = [pod("rag-dev", THREE)]
        bad = invoke("bundle", "verify", "--cluster", "--settings", settings, "--json")

    assert (good.exit_code, bad.exit_code) == (0, 1), good.output
    assert "0 differences that matter" in good.output
    assert json.loads(bad.stdout)["differences"][0]["where"] == "pod rag-dev/p1"
