"""The plan that the program says before it makes anything, from plain settings alone.

A preview asks neither AWS nor a cluster: where the nodes are not the program's own, the plan is
open, and `stackyard plan` asks for them.
"""

from collections.abc import Mapping
from typing import Any

NODES_UNKNOWN = "a preview does not ask for the cluster's nodes: stackyard plan --stack {} does"


def planned(stack: str, settings: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the first lines of a stack's plan, and whether its models cannot fit."""
    # here, so that a stack without models on GPUs does not load the planner
    from stackyard.planner.plan import make_plan
    from stackyard.planner.show import first_lines
    from stackyard.planner.wants import read_wants

    wants = read_wants(settings)
    unknown = NODES_UNKNOWN.format(stack) if wants.cluster == "existing" else ""
    plan = make_plan(stack, wants, unknown=unknown)
    return list(first_lines(plan)), plan.verdict == "does not fit"
