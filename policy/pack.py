"""The rules as Pulumi knows policies: each with its level, its settings and its exceptions."""

from collections.abc import Mapping
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy.exceptions import waived
from policy.rule import UNKNOWN, Resource, Rule
from policy.rules import RULES

# of every rule: the names of the Pulumi resources that a site lets through
EXCEPT: dict[str, dict[str, Any]] = {
    "except": {"type": "array", "items": {"type": "string"}, "default": []}
}


def policies() -> list[ResourceValidationPolicy]:
    """Return every rule as a policy of its own."""
    return [_policy(rule) for rule in RULES]


def plain(value: Any) -> Any:
    """Return a value of the engine as plain data, with UNKNOWN for what is not known yet.

    The engine's own mappings raise at the first unknown value, so a whole pod would go unread
    in a preview because one image is not built yet.
    """
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return value
    keys = value if isinstance(value, Mapping) else range(len(value))
    found = {key: _known(value, key) for key in keys}
    return found if isinstance(value, Mapping) else list(found.values())


def _known(value: Any, key: Any) -> Any:
    try:
        return plain(value[key])
    except UnknownValueError:
        return UNKNOWN


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        kind = kind_of(args.resource_type, args.props)
        if kind not in rule.kinds or args.name in args.get_config().get("except", ()):
            return
        inside = components_of(args.urn)
        resource = Resource(kind, args.name, plain(args.props), inside, args.get_config())
        if waived(rule.name, resource):
            return
        for each in rule.violations(resource):
            report(each, None)

    return ResourceValidationPolicy(
        rule.name,
        rule.reason,
        validate,
        enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else None,
        config_schema=PolicyConfigSchema({**EXCEPT, **rule.settings}),  # type: ignore[dict-item]
        remediation_steps=rule.fix,
    )


def components_of(urn: str) -> tuple[str, ...]:
    """Return the types of the components around a resource, outermost first.

    Examples:
        >>> components_of("urn:pulumi:eks::stackyard::a:b:Nim$kubernetes:core/v1:Secret::key")
        ('a:b:Nim',)
    """
    types = urn.split("::")[2] if urn.count("::") > 2 else ""
    return tuple(types.split("$")[:-1])


def kind_of(resource_type: str, body: Mapping[str, Any]) -> str:
    """Return Kubernetes' kind of an object, and Pulumi's type of everything else."""
    if resource_type.startswith("kubernetes:"):
        return str(body.get("kind") or resource_type.rpartition(":")[2])
    return resource_type
