"""The rules as Pulumi gets them."""

from pulumi_policy import EnforcementLevel
from pulumi_policy.policy import PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policy.pack import components_of, kind_of, plain, policies
from policy.rule import UNKNOWN
from policy.rules import RULES
from tests.policy.objects import Body, container_of, good

URN = "urn:pulumi:dev::stackyard::kubernetes:apps/v1:Deployment::rag"
OPTIONS = PolicyResourceOptions(False, [], None, [], None, [], None)  # type: ignore[arg-type]


def reported(body: Body, config: dict[str, object] | None = None, urn: str = URN) -> list[str]:
    proxy = unknown_checking_proxy(body)
    args = ResourceValidationArgs(
        "kubernetes:apps/v1:Deployment", proxy, urn, "rag", OPTIONS, None, config
    )
    lines: list[str] = []
    for policy in policies():
        policy.validate(args, lambda line, _: lines.append(line))
    return lines


def test_each_rule_is_a_policy_with_its_reason_and_fix() -> None:
    found = {each.name: each for each in policies()}

    assert list(found) == [each.name for each in RULES]
    assert found["non-root"].remediation_steps == "set runAsNonRoot: true and a user other than 0"
    assert found["image-by-digest"].enforcement_level == EnforcementLevel.ADVISORY
    assert found["non-root"].enforcement_level is None  # the pack's own: mandatory


def test_an_image_that_is_not_built_yet_hides_nothing_else_from_a_preview() -> None:
    body = good("Deployment")
    container_of(body)["image"] = UNKNOWN_STRING_VALUE
    container_of(body)["securityContext"]["privileged"] = True

    (line,) = reported(body)

    assert "container rag is privileged" in line
    assert (
        plain(unknown_checking_proxy(body))["spec"]["template"]["spec"]["containers"][0]["image"]
        == UNKNOWN
    )


def test_a_site_names_its_own_exceptions_and_registries() -> None:
    body = good("Deployment")
    container_of(body)["securityContext"]["privileged"] = True

    assert reported(body, {"except": ["rag"]}) == []
    assert any(
        "from none of r.example.org" in line
        for line in reported(body, {"registries": ["r.example.org"]})
    )


def test_a_waiver_goes_by_the_component_around_the_resource() -> None:
    body = good("Deployment")
    container_of(body)["securityContext"]["readOnlyRootFilesystem"] = False
    inside = "urn:pulumi:eks::stackyard::stackyard:index:Nim$kubernetes:apps/v1:Deployment::llm"

    assert reported(body, urn=inside) == []
    assert len(reported(body)) == 1
    assert components_of(inside) == ("stackyard:index:Nim",)
    assert kind_of("aws:eks/cluster:Cluster", {}) == "aws:eks/cluster:Cluster"
