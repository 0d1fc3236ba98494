"""Where a component's objects go: one namespace of one stack, and how its images are pulled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from infra.components.outward import Outward
from infra.components.priorities import Priorities
from infra.labels import labels

# A claim waits for its first pod, and a Service for a pod behind it: the pods are awaited anyhow,
# and waiting for both could only end in a deadlock, or never where there are to be no pods.
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A namespace that exists before anything in it does."""

    stack: str
    name: str  # as plain text, for addresses
    namespace: pulumi.Output[str]
    storage_class: pulumi.Input[str] | None = None
    pull_secret: pulumi.Output[str] | None = None
    outward: Outward = field(default_factory=Outward)
    priorities: Priorities | None = None

    @property
    def pull_secrets(self) -> Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None:
        if self.pull_secret is None:
            return None
        return [k8s.core.v1.LocalObjectReferenceArgs(name=self.pull_secret)]

    def metadata(
        self, name: str, component: str, annotations: Mapping[str, str] | None = None
    ) -> k8s.meta.v1.ObjectMetaArgs:
        """Return the metadata of an object whose name people and Services use."""
        return k8s.meta.v1.ObjectMetaArgs(
            name=name,
            namespace=self.namespace,
            labels=labels(name, component, self.stack),
            annotations=annotations,
        )

    def unnamed(self, name: str, component: str) -> k8s.meta.v1.ObjectMetaArgs:
        """Return the metadata of an object that the provider names anew when its content changes.

        Pods name it, so a changed secret or configuration restarts them.
        """
        return k8s.meta.v1.ObjectMetaArgs(
            namespace=self.namespace, labels=labels(name, component, self.stack)
        )
