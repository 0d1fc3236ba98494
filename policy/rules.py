"""Every rule of the pack, by name."""

from policy import aws, cluster, pods
from policy.rule import Rule

RULES: tuple[Rule, ...] = (*pods.RULES, *cluster.RULES, *aws.RULES)


def by_name(name: str) -> Rule:
    """Return a rule.

    Raises StopIteration where there is none of that name.
    """
    return next(each for each in RULES if each.name == name)
