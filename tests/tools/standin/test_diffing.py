"""Differences between inputs, and which of them need a new object."""

from typing import Any

import pytest

from tools.standin.diffing import (
    Mutability,
    differences,
    differing,
    ignored,
    must_go_first,
    to_try_again,
)

Json = dict[str, Any]


def compared(old: Json, new: Json, **mutability: bool) -> dict[str, bool]:
    """Return each difference's path and whether it replaces."""
    found = differences(old, new, default_namespace="default", mutability=Mutability(**mutability))
    return {str(item): item.replaces for item in found}


def kind(api: str, name: str, **rest: Any) -> Json:
    return {"apiVersion": api, "kind": name, "metadata": {"name": "x"}, **rest}


def test_paths_are_spelled_as_the_engine_reads_them() -> None:
    old = kind("v1", "Node", a=[{"b": 1}], metadata={"annotations": {"x.io/y": "1"}, "name": "x"})
    new = kind("v1", "Node", a=[{"b": 2}], metadata={"annotations": {"x.io/y": "2"}, "name": "x"})

    assert compared(old, new) == {"a[0].b": False, 'metadata.annotations["x.io/y"]': False}


def test_added_removed_and_changed_are_told_apart() -> None:
    found = dict(differing({"a": 1, "b": 1}, {"b": 2, "c": {}}))

    assert found == {("a",): "delete", ("b",): "update", ("c",): "add"}


def test_zero_is_not_false() -> None:
    assert dict(differing({"a": 0}, {"a": False})) == {("a",): "update"}


@pytest.mark.parametrize(
    ("api", "name", "path", "replaces"),
    [
        ("apps/v1", "Deployment", "spec.selector.matchLabels.app", True),
        ("apps/v1", "Deployment", "spec.replicas", False),
        ("apps/v1", "StatefulSet", "spec.volumeClaimTemplates", True),
        ("apps/v1", "StatefulSet", "spec.serviceName", True),
        ("apps/v1", "StatefulSet", "spec.template", False),
        ("batch/v1", "Job", "spec.template.spec.restartPolicy", True),
        ("batch/v1", "Job", "spec.parallelism", False),
        ("v1", "Service", "spec.clusterIP", True),
        ("v1", "Service", "spec.clusterIPs", False),
        ("v1", "PersistentVolumeClaim", "spec.storageClassName", True),
        ("v1", "PersistentVolumeClaim", "spec.resources.requests.storage", False),
        ("v1", "PersistentVolumeClaim", "metadata.labels.a", False),
        ("v1", "Pod", "spec.nodeName", True),
        ("v1", "Secret", "type", True),
        ("v1", "ConfigMap", "metadata.name", True),
        ("v1", "ConfigMap", "metadata.labels.a", False),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef.name", True),
    ],
)
def test_a_field_that_the_server_fixes_needs_a_new_object(
    api: str, name: str, path: str, replaces: bool
) -> None:
    def holding(value: str) -> Json:
        inner: Any = value
        for part in reversed(path.split(".")):
            inner = {part: inner}
        return {"apiVersion": api, "kind": name, **inner}

    assert compared(holding("a"), holding("b")) == {path: replaces}


def test_an_image_of_a_pod_changes_in_place_and_a_new_container_does_not() -> None:
    one = kind("v1", "Pod", spec={"containers": [{"image": "a"}]})
    other = kind("v1", "Pod", spec={"containers": [{"image": "b"}]})
    more = kind("v1", "Pod", spec={"containers": [{"image": "a"}, {"image": "b"}]})

    assert compared(one, other) == {"spec.containers[0].image": False}
    assert compared(one, more) == {"spec.containers[1]": True}


def test_the_content_of_a_config_map_changes_in_place_only_where_it_may() -> None:
    old, new = kind("v1", "ConfigMap", data={"a": "1"}), kind("v1", "ConfigMap", data={"a": "2"})
    frozen = {**old, "immutable": True}

    assert compared(old, new) == {"data.a": True}
    assert compared(old, new, config_maps=True) == {"data.a": False}
    assert compared(frozen, {**new, "immutable": True}, config_maps=True) == {"data.a": True}
    assert compared(frozen, old, config_maps=True) == {"immutable": True}


def test_naming_the_default_namespace_is_no_change() -> None:
    spelled = kind("v1", "Pod", metadata={"name": "x", "namespace": "default"})

    assert compared(kind("v1", "Pod"), spelled) == {}


def test_a_fixed_name_goes_first_and_a_given_one_need_not() -> None:
    fixed = kind("v1", "Pod")
    automatic = kind(
        "v1", "Pod", metadata={"name": "x", "annotations": {"pulumi.com/autonamed": "true"}}
    )

    assert must_go_first(fixed, fixed)
    assert not must_go_first(automatic, automatic)
    assert not must_go_first(fixed, kind("v1", "Pod", metadata={"name": "y"}))


def test_ignored_paths_cover_what_lies_below() -> None:
    old, new = kind("v1", "Node", spec={"a": {"b": 1}}), kind("v1", "Node", spec={"a": {"b": 2}})
    (found,) = differences(old, new, default_namespace="d", mutability=Mutability())

    assert ignored(found, ["spec.a"])
    assert not ignored(found, ["spec.aa"])


@pytest.mark.parametrize(
    ("asked", "condition", "again"),
    [("true", "Failed", True), ("true", "Complete", False), ("false", "Failed", False)],
)
def test_a_failed_job_is_made_anew_where_it_is_asked_for(
    asked: str, condition: str, again: bool
) -> None:
    annotations = {"pulumi.com/replaceUnready": asked}
    job = kind("batch/v1", "Job", metadata={"name": "j", "annotations": annotations})
    state = {**job, "status": {"conditions": [{"type": condition, "status": "True"}]}}

    found = to_try_again(state, job)

    assert [(str(each), each.replaces) for each in found] == ([("status", True)] if again else [])
