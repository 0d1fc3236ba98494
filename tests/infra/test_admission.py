"""The rules at the API server: off unless asked for, and only in the stack's own namespaces."""

import pytest

from infra.components.admission_rules import RULES
from policy import pods
from tests.infra.conftest import Deploy
from tests.infra.test_settings import EXISTING, refusal, report


def test_a_stack_that_does_not_ask_makes_no_policy(deploy: Deploy) -> None:
    assert deploy().of("ValidatingAdmissionPolicy") == []


@pytest.mark.parametrize(("mode", "actions"), [("deny", ["Deny"]), ("warn", ["Warn", "Audit"])])
def test_the_policy_holds_in_the_stacks_namespaces(
    deploy: Deploy, mode: str, actions: list[str]
) -> None:
    found = deploy({"policy": {"admission": mode}})

    policy = found["admission-policy"].inputs
    binding = found["admission-binding"].inputs["spec"]
    assert policy["metadata"]["name"] == "stackyard-dev"
    assert binding["policyName"] == "stackyard-dev"
    assert binding["validationActions"] == actions
    (named,) = binding["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert named["values"] == ["rag-dev", "models-dev"]
    assert [each["message"].split(":")[0] for each in policy["spec"]["validations"]] == [
        each.name for each in RULES
    ]


def test_each_rule_has_its_namesake_in_the_policy_pack() -> None:
    absent = {each.name for each in pods.RULES} - {each.name for each in RULES}

    # site settings, advice, and what holds for servers only, or not for a NIM
    assert absent == {
        "image-by-digest",
        "image-from-our-registries",
        "probes-set",
        "read-only-root",
    }
    assert {each.name for each in RULES} < {each.name for each in pods.RULES}


def test_who_has_namespaces_only_cannot_install_it(deploy: Deploy) -> None:
    settings = {
        "cluster": EXISTING["cluster"] | {"kubeconfig": __file__, "scope": "namespace"},
        "registry": {"host": "r.example.com"},
        "policy": {"admission": "deny"},
    }

    assert refusal(deploy, settings) == report(
        1,
        "stackyard:policy.admission: is 'deny'; cluster.scope 'namespace' may not make objects of "
        "the whole cluster\n      hint: pulumi config rm --path 'stackyard:policy.admission'",
    )
