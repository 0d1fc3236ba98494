"""Every object of every stack file that we hand out keeps every rule, but for the waivers."""

from pathlib import Path
from typing import Any

import pytest

from policy.exceptions import WAIVERS
from policy.pack import components_of, kind_of
from policy.rule import Resource
from policy.rules import RULES
from tests.infra.conftest import Deploy, deploy, no_machine
from tests.infra.test_edge import GATEWAY, INGRESS, existing, passing
from tests.stacks.test_stacks import FILES, NEEDED, kubeconfig, name_of, settings_of

__all__ = ["deploy", "kubeconfig", "no_machine"]  # fixtures

# a tag is all that is known of these images before a registry was asked
TAGGED = ("qdrant/qdrant", "nvcr.io/")


def resources(deploy: Deploy, path: Path) -> list[Resource]:
    name, settings = name_of(path), settings_of(path)
    if name == "existing":
        settings |= {"app": {"expose": "ClusterIP"}}
    found = deploy(settings, secrets=NEEDED.get(name, {}), stack=name)
    return [
        Resource(
            kind_of(each.type, each.inputs),
            each.name,
            each.inputs,
            components_of(f"{each.parent.rpartition('::')[0]}$::{each.name}"),
        )
        for each in found.resources
        if each.custom
    ]


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_stack_of_ours_keeps_the_rules(deploy: Deploy, path: Path) -> None:
    declared = resources(deploy, path)
    broken = [
        f"{rule.name} | {line}"
        for resource in declared
        for rule in RULES
        if not any(waiver.holds(rule.name, resource) for waiver in WAIVERS)
        for line in rule.violations(resource)
        if not (rule.name == "image-by-digest" and any(each in line for each in TAGGED))
    ]

    assert len(declared) > 20
    assert broken == []


@pytest.mark.parametrize("app", [INGRESS, GATEWAY, passing(GATEWAY)], ids=["in", "gw", "tls"])
def test_the_ways_in_keep_the_rules(deploy: Deploy, tmp_path: Path, app: dict[str, Any]) -> None:
    declared = deploy(existing(tmp_path, app)).resources
    doors = [
        Resource(kind_of(each.type, each.inputs), each.name, each.inputs, ())
        for each in declared
        if each.name.startswith(("rag-door", "rag-tls", "network-proxy", "rag-service"))
    ]

    assert len(doors) >= 3
    assert [line for each in doors for rule in RULES for line in rule.violations(each)] == []


@pytest.mark.usefixtures("kubeconfig")
def test_each_waiver_is_needed_by_a_stack_of_ours(deploy: Deploy) -> None:
    onprem, eks = (ROOT / f"Pulumi.{name}.yaml" for name in ("onprem", "eks"))
    declared = [*resources(deploy, onprem), *resources(deploy, eks)]

    unused = [
        waiver.rule
        for waiver in WAIVERS
        if not any(
            list(rule.violations(resource))
            for resource in declared
            for rule in RULES
            if waiver.holds(rule.name, resource)
        )
    ]

    assert unused == []


ROOT = Path(__file__).parents[2] / "examples"
