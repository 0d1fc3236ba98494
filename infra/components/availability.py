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


def apart(name: str, scope: Scope) -> k8s.core.v1.AffinityArgs:
    """Give each pod a node of its own: rather wait than share one.

    A spread with a skew of one would let two of three be together on the second of two nodes.
    """
    return k8s.core.v1.AffinityArgs(
        pod_anti_affinity=k8s.core.v1.PodAntiAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                k8s.core.v1.PodAffinityTermArgs(
                    topology_key=NODE,
                    label_selector=meta.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                )
            ]
        )
    )


def spread(name: str, scope: Scope) -> list[k8s.core.v1.TopologySpreadConstraintArgs]:
    """Spread pods over zones, then nodes, where there are some."""
    return [
        k8s.core.v1.TopologySpreadConstraintArgs(
            topology_key=key,
            max_skew=1,
            when_unsatisfiable="ScheduleAnyway",
            label_selector=meta.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
        )
        for key in (ZONE, NODE)
    ]
