"""Who goes first where a node is full: what answers, before what fills volumes and backs up."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.labels import labels

# Pods without a class have 0. Below -10 the cluster autoscaler would make no node for a pod.
ASKING, BACKGROUND = 1000, -5
WHY = {
    "asking": "What a question goes through: app, models, vector store.",
    "background": "Model downloads, bulk loads and backups; they wait, and take no pod's place.",
}


@dataclass(frozen=True)
class Priorities:
    """Names of a stack's two classes."""

    asking: pulumi.Output[str]
    background: pulumi.Output[str]


class PriorityClasses(pulumi.ComponentResource):
    """The two classes of one stack; they have no namespace, so its name is in theirs.

    `preempts`: whether a pod of the asking path may end others for its place. On a cluster that
    is shared those would be other people's.
    """

    names: Priorities

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        preempts: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stackyard:index:PriorityClasses", name, None, opts)

        def made(role: str, value: int, policy: str) -> pulumi.Output[str]:
            full = f"stackyard-{stack}-{role}"
            found = k8s.scheduling.v1.PriorityClass(
                f"{name}-{role}",
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=full, labels=labels(full, "priority", stack)
                ),
                value=value,
                preemption_policy=policy,
                description=WHY[role],
                # neither value nor policy can be changed, and two cannot have one name
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            return found.metadata.name.apply(str)

        self.names = Priorities(
            asking=made("asking", ASKING, "PreemptLowerPriority" if preempts else "Never"),
            background=made("background", BACKGROUND, "Never"),
        )
        self.register_outputs({})
