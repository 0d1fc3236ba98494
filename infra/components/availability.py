"""What keeps several pods of a workload answering: no drain takes all, no place has all."""

import pulumi
import pulumi_kubernetes as k8s

from infra.components.scope import Scope
from infra.labels import selector

ZONE, NODE = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
meta = k8s.meta.v1


def budget(
    name: str, *, scope: Scope, component: str, parent: pulumi.Resource
) -> k8s.policy.v1.PodDisruptionBudget:
    """Let a drain take one pod at a time; one that is broken anyhow does not hold it up."""
    return k8s.policy.v1.PodDisruptionBudget(
        f"{name}-budget",
        metadata=scope.metadata(name, component),
        spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            unhealthy_pod_eviction_policy="AlwaysAllow",
            selector=meta.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def spread(
    name: str, scope: Scope, *, apart: bool = False
) -> list[k8s.core.v1.TopologySpreadConstraintArgs]:
    """Spread pods over zones, then nodes; `apart`: rather wait than share a node."""
    return [
        k8s.core.v1.TopologySpreadConstraintArgs(
            topology_key=key,
            max_skew=1,
            when_unsatisfiable="DoNotSchedule" if apart and key == NODE else "ScheduleAnyway",
            label_selector=meta.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
        )
        for key in (ZONE, NODE)
    ]
