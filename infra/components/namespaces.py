"""The namespaces of a stack, each held to the restricted Pod Security standard, or told why not."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pulumi
import pulumi_kubernetes as k8s

from infra.components.outward import Outward, ca_map
from infra.components.priorities import Priorities
from infra.components.pull_secret import PullCredentials, pull_secret
from infra.components.quota import Asked, Quota
from infra.components.scope import Scope
from infra.labels import labels

LEVEL = "restricted"
ENFORCE = "pod-security.kubernetes.io/enforce"
MODES = ("enforce", "audit", "warn")
SECURITY = {f"pod-security.kubernetes.io/{mode}": LEVEL for mode in MODES}


class StackNamespace(pulumi.ComponentResource):
    """One namespace, made or found; `scope` is what components put their objects into."""

    scope: Scope

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        storage_class: pulumi.Input[str] | None,
        credentials: PullCredentials | None,
        ca: pulumi.Input[str] | None = None,
        proxy: Mapping[str, str] = MappingProxyType({}),
        make: bool = True,
        enforce: str = LEVEL,
        asked: Sequence[Asked] | None = None,  # by its pods in all; None: it gets no quota
        priorities: Priorities | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stackyard:index:StackNamespace", name, None, opts)
        full = f"{name}-{stack}"
        namespace = pulumi.Output.from_input(full)
        if make:
            made = k8s.core.v1.Namespace(
                f"{name}-namespace",
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=full,
                    labels={**labels(name, "namespace", stack), **SECURITY, ENFORCE: enforce},
                ),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
            )
            namespace = made.metadata.name.apply(str)
        if asked is not None:
            quota = Quota(
                f"{name}-quota",
                stack=stack,
                namespace=namespace,
                asked=asked,
                opts=pulumi.ResourceOptions(parent=self),
            )
            namespace = quota.namespace
        self.scope = Scope(
            stack=stack,
            name=full,
            namespace=namespace,
            storage_class=storage_class,
            pull_secret=pull_secret(f"{name}-pull", stack, namespace, credentials, parent=self),
            outward=Outward(
                proxy=proxy, ca=ca_map(f"{name}-ca", stack, namespace, ca, parent=self)
            ),
            priorities=priorities,
        )
        self.register_outputs({"name": self.scope.namespace})
