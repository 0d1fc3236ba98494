"""Every rule refuses what breaks it, lets through what keeps it, and says what to do."""

import pytest

from policy.exceptions import WAIVERS, Waiver, waived
from policy.rule import UNKNOWN, Resource
from policy.rules import RULES, by_name
from tests.policy.objects import BREAKS, GOOD, broken, container_of, good, resource

NAMES = [each.name for each in RULES]


def test_each_rule_has_an_object_that_breaks_it_and_one_that_keeps_it() -> None:
    assert sorted(BREAKS) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    for rule in RULES:
        kind, _ = BREAKS[rule.name]
        assert kind in rule.kinds
        assert kind in GOOD


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_well_made_breaks_no_rule(kind: str) -> None:
    found = [each for rule in RULES for each in rule.violations(resource(kind, good(kind)))]

    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_rule_is_told_with_its_way_out_and_is_the_only_one(name: str) -> None:
    for kind, body in broken(name):
        broken_rules = {}
        for rule in RULES:
            if lines := list(rule.violations(resource(kind, body))):
                broken_rules[rule.name] = lines

        # an image that floats has no digest either
        assert broken_rules.keys() - {"image-by-digest"} == {name} - {"image-by-digest"}
        (line,) = broken_rules[name]
        assert line.startswith(f"{kind} it: ")
        assert line.endswith(by_name(name).fix)


def test_what_is_not_known_before_the_update_breaks_nothing() -> None:
    body = good("Deployment")
    container_of(body).update(image=UNKNOWN, securityContext=UNKNOWN)
    container_of(body)["resources"] = UNKNOWN

    assert [each for rule in RULES for each in rule.violations(resource("Deployment", body))] == []


def test_a_pod_of_every_kind_is_read() -> None:
    deployment = good("Deployment")
    spec = deployment["spec"]["template"]["spec"]
    spec["hostNetwork"] = True
    rule = by_name("no-host-namespaces")
    bodies = {
        "Pod": {"spec": spec},
        "Job": {"spec": {"template": {"spec": spec}}},
        "CronJob": {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}},
    }

    for kind, body in bodies.items():
        assert list(rule.violations(resource(kind, body)))


def test_an_init_container_is_held_to_the_rules_too() -> None:
    body = good("Deployment")
    spec = body["spec"]["template"]["spec"]
    spec["initContainers"] = [{"name": "first", "image": "busybox"}]

    (line,) = by_name("image-not-floating").violations(resource("Deployment", body))

    assert "container first has the image 'busybox'" in line


@pytest.mark.parametrize("waiver", WAIVERS, ids=lambda each: each.rule)
def test_a_waiver_holds_for_its_own_component_and_nowhere_else(waiver: Waiver) -> None:
    kind, inside = waiver.kinds[0], (waiver.inside,)

    assert waived(waiver.rule, Resource(kind, "x", {}, inside))
    assert not waived(waiver.rule, Resource(kind, "x", {}))
    assert not waived("another-rule", Resource(kind, "x", {}, inside))
    assert by_name(waiver.rule)
