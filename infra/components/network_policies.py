"""Who may talk to whom: nobody, but for the edges of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.scope import Scope
from infra.labels import labels, selector
from infra.reach import NODE_DNS

ANYWHERE = ("0.0.0.0/0", "::/0")  # a NetworkPolicy knows addresses, not host names
# where a cloud gives a node's credentials to whoever asks
METADATA = {"0.0.0.0/0": ["169.254.169.254/32"], "::/0": ["fd00:ec2::254/128"]}
DNS_PORT = 53
net, meta = k8s.networking.v1, k8s.meta.v1


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Pods of ours, by name and namespace."""

    name: str
    scope: Scope
    port: int
    labels: Mapping[str, str] | None = None  # unset: those that our own pods carry

    def pods(self) -> k8s.meta.v1.LabelSelectorArgs:
        ours = self.labels or selector(self.name, self.scope.stack)
        return meta.LabelSelectorArgs(match_labels=dict(ours))

    def peer(self) -> k8s.networking.v1.NetworkPolicyPeerArgs:
        return net.NetworkPolicyPeerArgs(
            namespace_selector=in_namespace(self.scope.name), pod_selector=self.pods()
        )


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What is not ours: addresses, or another namespace of the cluster."""

    name: str
    blocks: tuple[str, ...] = ANYWHERE
    namespace: str | None = None
    port: int | None = None

    def peers(self, *, leaving: bool) -> list[k8s.networking.v1.NetworkPolicyPeerArgs]:
        if self.namespace is not None:
            return [net.NetworkPolicyPeerArgs(namespace_selector=in_namespace(self.namespace))]
        if not self.blocks:  # an empty list of peers would mean: everybody
            message = f"the way to {self.name} has no addresses"
            raise ValueError(message)
        return [
            net.NetworkPolicyPeerArgs(
                ip_block=net.IPBlockArgs(
                    cidr=block, except_=METADATA.get(block) if leaving else None
                )
            )
            for block in self.blocks
        ]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One allowed way; no port where a Service translates it."""

    source: Workload | Outside
    target: Workload | Outside
    port: int | None

    @property
    def name(self) -> str:
        return f"{self.source.name}-to-{self.target.name}"


class NetworkPolicies(pulumi.ComponentResource):
    """Default-deny both ways in every namespace, DNS, and a policy for each end of each edge.

    `dns` are ranges of addresses where names are resolved, besides those of every cluster.
    """

    def __init__(
        self,
        name: str,
        scopes: Sequence[Scope],
        table: Sequence[Edge],
        dns: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stackyard:index:NetworkPolicies", name, None, opts)
        # no selector finds a pod on its node's own network, and NodeLocal DNSCache is one
        servers = [
            net.NetworkPolicyPeerArgs(namespace_selector=in_namespace("kube-system")),
            *(
                net.NetworkPolicyPeerArgs(ip_block=net.IPBlockArgs(cidr=each))
                for each in (*NODE_DNS, *dns)
            ),
        ]
        for scope in scopes:
            short = scope.name.removesuffix(f"-{scope.stack}")
            self._policy(
                *(f"{name}-{short}-deny", "default-deny", scope),
                net.NetworkPolicySpecArgs(
                    pod_selector=meta.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
                ),
            )
            self._policy(
                *(f"{name}-{short}-dns", "dns", scope),
                net.NetworkPolicySpecArgs(
                    pod_selector=meta.LabelSelectorArgs(),
                    policy_types=["Egress"],
                    egress=[
                        net.NetworkPolicyEgressRuleArgs(
                            to=servers,
                            ports=[_port(DNS_PORT, "UDP"), _port(DNS_PORT, "TCP")],
                        )
                    ],
                ),
            )
        # one that several calls take is one: all models outside are behind one proxy
        for edge in {each.name: each for each in table}.values():
            if isinstance(edge.source, Workload):
                self._policy(
                    *(f"{name}-{edge.name}-egress", f"{edge.name}-egress", edge.source.scope),
                    _egress(edge, edge.source),
                )
            if isinstance(edge.target, Workload):
                self._policy(
                    *(f"{name}-{edge.name}-ingress", f"{edge.name}-ingress", edge.target.scope),
                    _ingress(edge, edge.target),
                )
        self.register_outputs({})

    def _policy(
        self,
        resource: str,
        name: str,
        scope: Scope,
        spec: k8s.networking.v1.NetworkPolicySpecArgs,
    ) -> None:
        net.NetworkPolicy(
            resource,
            metadata=meta.ObjectMetaArgs(
                name=name, namespace=scope.namespace, labels=labels(name, "network", scope.stack)
            ),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _egress(edge: Edge, source: Workload) -> k8s.networking.v1.NetworkPolicySpecArgs:
    return net.NetworkPolicySpecArgs(
        pod_selector=source.pods(),
        policy_types=["Egress"],
        egress=[
            net.NetworkPolicyEgressRuleArgs(
                to=_peers(edge.target, leaving=True), ports=_ports(edge)
            )
        ],
    )


def _ingress(edge: Edge, target: Workload) -> k8s.networking.v1.NetworkPolicySpecArgs:
    return net.NetworkPolicySpecArgs(
        pod_selector=target.pods(),
        policy_types=["Ingress"],
        ingress=[
            net.NetworkPolicyIngressRuleArgs(
                from_=_peers(edge.source, leaving=False), ports=_ports(edge)
            )
        ],
    )


def _peers(
    end: Workload | Outside, *, leaving: bool
) -> list[k8s.networking.v1.NetworkPolicyPeerArgs]:
    return [end.peer()] if isinstance(end, Workload) else end.peers(leaving=leaving)


def in_namespace(name: str) -> k8s.meta.v1.LabelSelectorArgs:
    """Return the selector of one namespace by the label that Kubernetes itself sets."""
    return meta.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": name})


def _ports(edge: Edge) -> list[k8s.networking.v1.NetworkPolicyPortArgs] | None:
    return None if edge.port is None else [_port(edge.port, "TCP")]


def _port(number: int, protocol: str) -> k8s.networking.v1.NetworkPolicyPortArgs:
    return net.NetworkPolicyPortArgs(port=number, protocol=protocol)
