"""Print the page of all rules: `python -m policy.reference > docs/reference/policies.md`."""

from collections.abc import Iterator

from policy import aws, cluster, pods
from policy.exceptions import WAIVERS
from policy.rule import Rule

HEAD = """# The rules of the policy pack

Made by `python -m policy.reference`; a test holds it to the code. How to use the pack, and how a
site changes a rule: [the guide](../guides/policies.md).
"""
GROUPS = {"Pods": pods.RULES, "Around the pods": cluster.RULES, "AWS": aws.RULES}


def lines() -> Iterator[str]:
    """Yield the page line by line."""
    yield HEAD
    for title, rules in GROUPS.items():
        yield f"## {title}\n"
        yield "| rule | why | what to do | known elsewhere as |"
        yield "|---|---|---|---|"
        yield from map(_row, rules)
        yield ""
    yield "## What of our own is let through\n"
    yield "| rule | where | why |"
    yield "|---|---|---|"
    for each in WAIVERS:
        kinds = ", ".join(kind.rpartition(":")[2] for kind in each.kinds)
        yield f"| {each.rule} | {kinds} of {each.inside.rpartition(':')[2]} | {each.reason} |"


def _row(rule: Rule) -> str:
    name = f"`{rule.name}`" + (" (advisory)" if rule.advisory else "")
    return f"| {name} | {rule.reason} | {rule.fix} | {', '.join(rule.also)} |"


if __name__ == "__main__":
    print("\n".join(lines()))
