"""The lock against a cluster's nodes and pods, both ways."""

from typing import Any

from stackyard.bundle.lock import Item, Lock
from stackyard.bundle.verify import differences

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
