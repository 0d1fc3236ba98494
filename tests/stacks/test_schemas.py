"""Every object of every stack file, strictly against each Kubernetes that we support."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Deploy, deploy, no_machine
from tests.stacks.openapi import Definition, problems, whole
from tests.stacks.published import KUBERNETES, custom_kind, definitions
from tests.stacks.test_stacks import FILES, NEEDED, kubeconfig, name_of, settings_of

__all__ = ["deploy", "kubeconfig", "no_machine"]  # fixtures

pytestmark = pytest.mark.engine  # of this tier because it may download


def kind_of(schema: dict[str, Definition], api_version: str, kind: str) -> Definition:
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    (found,) = [
        each
        for each in schema.values()
        if wanted in each.get("x-kubernetes-group-version-kind", [])
    ]
    return found


@pytest.mark.usefixtures("kubeconfig")
def test_keda_would_accept_every_scaled_object_strictly(deploy: Deploy) -> None:
    path = next(each for each in FILES if name_of(each) == "scaled")
    found = deploy(settings_of(path), secrets=NEEDED["scaled"], stack="scaled")
    objects = [whole(each.inputs) for each in found.of("ScaledObject")]
    shape = custom_kind("ScaledObject")["properties"]["spec"]

    assert len(objects) == 3
    for each in objects:
        assert problems({}, shape, each["spec"], each["metadata"]["name"]) == []


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_kubernetes_would_accept_every_object_strictly(deploy: Deploy, path: Path) -> None:
    name = name_of(path)
    settings = settings_of(path)
    if name == "existing":
        settings |= {"app": {"expose": "ClusterIP"}}
    found = deploy(settings, secrets=NEEDED.get(name, {}), stack=name)
    objects = [
        whole(each.inputs)
        for each in found.resources
        if "apiVersion" in each.inputs and not each.inputs["apiVersion"].startswith("keda.sh/")
    ]

    assert len(objects) > 10
    for minor in KUBERNETES:
        schema = definitions(minor)
        for each in objects:
            shape = kind_of(schema, each["apiVersion"], each["kind"])
            assert problems(schema, shape, each, f"{minor} {each['kind']}") == []


def test_the_check_finds_a_wrong_field_a_missing_one_and_a_wrong_type() -> None:
    schema = definitions("1.36")
    wrong: dict[str, Any] = {"spec": {"replica": 1, "template": {}, "minReadySeconds": "5"}}

    found = problems(schema, kind_of(schema, "apps/v1", "Deployment"), wrong, "Deployment")

    assert sorted(found) == [
        "Deployment.spec has no replica",
        "Deployment.spec lacks selector",
        "Deployment.spec.minReadySeconds is '5', not a integer",
    ]
