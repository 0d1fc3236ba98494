"""The role that we publish for cluster.scope 'namespace' is what such a stack needs, no more."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.components.namespaces import SECURITY
from tests.infra.conftest import Deploy, deploy, no_machine
from tests.infra.test_edge import GATEWAY, INGRESS, passing
from tests.stacks.test_stacks import kubeconfig, settings_of

__all__ = ["deploy", "kubeconfig", "no_machine"]  # fixtures

ROOT = Path(__file__).parents[2]
OBJECTS = list(yaml.safe_load_all((ROOT / "examples/namespace-role.yaml").read_text()))
WRITE = {"get", "list", "watch", "create", "update", "patch", "delete"}


def rules() -> list[dict[str, Any]]:
    (role,) = [each for each in OBJECTS if each["kind"] == "ClusterRole"]
    found: list[dict[str, Any]] = role["rules"]
    return found


def resource(api_version: str, kind: str) -> tuple[str, str]:
    group = api_version.rpartition("/")[0]
    name = kind.lower()
    if name.endswith("y"):
        return group, f"{name[:-1]}ies"
    return group, f"{name}es" if name.endswith("s") else f"{name}s"


@pytest.mark.usefixtures("kubeconfig")
def test_the_published_role_lets_a_stack_make_exactly_what_it_makes(deploy: Deploy) -> None:
    settings = settings_of(ROOT / "examples/Pulumi.onprem.yaml")
    settings["cluster"]["scope"] = "namespace"
    settings["models"]["llm"] = {"scaling": {"max": 2}, "cacheAccess": "ReadWriteMany"}
    settings["backup"] = {"schedule": "0 3 * * *"}

    made = {
        resource(each.inputs["apiVersion"], each.inputs["kind"])
        for app in ({}, INGRESS, GATEWAY, passing(GATEWAY))
        for each in deploy(
            {**settings, "app": app}, secrets={"ngcApiKey": "nvapi-ngc"}, stack="prod"
        ).resources
        if each.type.startswith("kubernetes:")
    }
    allowed = {
        (group, name)
        for rule in rules()
        if set(rule["verbs"]) == WRITE
        for group in rule["apiGroups"]
        for name in rule["resources"]
    }
    # what `stackyard accept` gives to its Job
    assert made | {("", "configmaps")} == allowed


def test_the_published_role_has_no_star_and_is_bound_in_two_namespaces_only() -> None:
    bindings = [each for each in OBJECTS if each["kind"].endswith("RoleBinding")]

    assert [each["kind"] for each in bindings] == ["RoleBinding", "RoleBinding"]
    assert {each["metadata"]["namespace"] for each in bindings} == {"rag-prod", "models-prod"}
    assert "*" not in str(rules())


def test_the_published_namespaces_are_held_to_what_the_program_would_set() -> None:
    labels = [each["metadata"]["labels"] for each in OBJECTS if each["kind"] == "Namespace"]

    assert labels == [SECURITY, SECURITY]
