"""A real API server refuses what breaks a rule, as the policy pack does in the engine."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.components.admission_rules import RULES
from tests.e2e.yard import CommandFailed, Yard
from tests.infra.conftest import Deploy, deploy, no_machine
from tests.policy.objects import Body, broken, good, security_of

__all__ = ["deploy", "no_machine"]  # fixtures

pytestmark = pytest.mark.e2e
NAMESPACE = "rag-e2e"


@pytest.fixture
def held(yard: Yard, deploy: Deploy, tmp_path: Path) -> Iterator[Yard]:
    """The yard's cluster with the objects of `policy: {admission: deny}`."""
    declared = deploy({"policy": {"admission": "deny"}}, stack="e2e")
    objects = tmp_path / "policy.yaml"
    names = ("admission-policy", "admission-binding")
    objects.write_text(yaml.safe_dump_all(declared[name].inputs for name in names))
    yard.kubectl("apply", "-f", str(objects))
    try:
        yield yard
    finally:
        yard.kubectl("delete", "-f", str(objects))


def refusals(yard: Yard, bodies: dict[str, Body], file: Path) -> dict[str, str]:
    """Return what the API server says of each new object that it refuses; nothing is made."""
    named = [
        body | {"metadata": {"name": name, "namespace": NAMESPACE}} for name, body in bodies.items()
    ]
    file.write_text(yaml.safe_dump_all(named))
    try:
        done = yard.tool("kubectl", "create", "--dry-run=server", "-f", str(file), fails=True)
    except CommandFailed:  # it took every one of them: it does not know the policy yet
        return {}
    lines = done.stderr.splitlines()
    return {
        name: line for name in bodies for line in lines if f'"{name}"' in line and "denied" in line
    }


def test_every_rule_is_kept_by_the_api_server_and_by_our_own_pods(
    held: Yard, tmp_path: Path
) -> None:
    bodies = {
        f"{rule.name}-{number}": body
        for rule in RULES
        for number, (_, body) in enumerate(broken(rule.name))
    }
    # the API server itself refuses the two together
    security_of(bodies["not-privileged-0"]).pop("allowPrivilegeEscalation")
    # it compiles a new policy within seconds of its creation
    until = time.monotonic() + 60
    while not refusals(held, bodies, tmp_path / "bad.yaml"):
        assert time.monotonic() < until, "the API server does not know the policy"
    # once more: it may have come to know it in the middle of them
    refused = refusals(held, bodies, tmp_path / "bad.yaml")

    for rule in RULES:
        for name in [each for each in bodies if each.rpartition("-")[0] == rule.name]:
            assert f"denied request: {rule.name}: {rule.message}" in refused.get(name, name)

    kept = tmp_path / "good.yaml"
    kept.write_text(yaml.safe_dump(good("Deployment") | {"metadata": {"name": "kept"}}))
    held.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", str(kept))
    for namespace in (NAMESPACE, "models-e2e"):
        ours = tmp_path / "ours.json"
        found = held.objects("deploy,sts", "-n", namespace)
        for each in found:
            del each["metadata"]["resourceVersion"]  # a status that has just come is no conflict
        ours.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))
        held.kubectl("replace", "--dry-run=server", "-f", str(ours))
        assert found
