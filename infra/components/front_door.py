"""The site's own way in: an Ingress, or a route of a Gateway, in front of the app's Service."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.components.network_policies import Edge, Outside, Workload
from infra.components.scope import SKIP_AWAIT, Scope
from infra.schema import EdgeSettings

GATEWAY = "gateway.networking.k8s.io/v1"
net = k8s.networking.v1


@dataclass(frozen=True, kw_only=True)
class FrontDoorArgs:
    scope: Scope
    settings: EdgeSettings
    gateway: bool  # else an Ingress
    service: str
    port: int
    certificate: pulumi.Output[str] | None  # the Secret; None where the proxy passes TLS on


class FrontDoor(pulumi.ComponentResource):
    """One Ingress, HTTPRoute or TLSRoute for the host that callers use."""

    def __init__(
        self, name: str, args: FrontDoorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:FrontDoor", name, None, opts)
        if args.gateway:
            self._route(name, args)
        else:
            self._ingress(name, args)
        self.register_outputs({})

    def _ingress(self, name: str, args: FrontDoorArgs) -> None:
        host = str(args.settings.host)
        backend = net.IngressBackendArgs(
            service=net.IngressServiceBackendArgs(
                name=args.service, port=net.ServiceBackendPortArgs(number=args.port)
            )
        )
        net.Ingress(
            f"{name}-ingress",
            # its address is the controller's, who may take it from elsewhere or have none
            metadata=args.scope.metadata(
                args.service, "app", {**SKIP_AWAIT, **args.settings.annotations}
            ),
            spec=net.IngressSpecArgs(
                ingress_class_name=args.settings.class_,
                tls=[net.IngressTLSArgs(hosts=[host], secret_name=args.certificate)],
                rules=[
                    net.IngressRuleArgs(
                        host=host,
                        http=net.HTTPIngressRuleValueArgs(
                            paths=[
                                net.HTTPIngressPathArgs(
                                    path="/", path_type="Prefix", backend=backend
                                )
                            ]
                        ),
                    )
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _route(self, name: str, args: FrontDoorArgs) -> None:
        edge = args.settings
        parent = {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "name": edge.gateway,
            "namespace": edge.gateway_namespace,
        }
        if edge.listener is not None:
            parent["sectionName"] = edge.listener
        rule: dict[str, Any] = {"backendRefs": [{"name": args.service, "port": args.port}]}
        if not edge.passthrough:
            rule["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]
        k8s.apiextensions.CustomResource(
            f"{name}-route",
            api_version=GATEWAY,
            kind="TLSRoute" if edge.passthrough else "HTTPRoute",
            metadata=args.scope.metadata(args.service, "app", edge.annotations or None),
            spec={"parentRefs": [parent], "hostnames": [edge.host], "rules": [rule]},
            opts=pulumi.ResourceOptions(parent=self),
        )


def callers(edge: EdgeSettings, app: Workload) -> list[Edge]:
    """Return who may call an app behind a proxy: the proxy's pods, or its nodes' addresses."""
    found = []
    if edge.controller_namespace is not None:
        proxy = Outside(name="proxy", namespace=edge.controller_namespace)
        found.append(Edge(source=proxy, target=app, port=app.port))
    if edge.controller_addresses:
        nodes = Outside(name="proxy-nodes", blocks=tuple(edge.controller_addresses))
        found.append(Edge(source=nodes, target=app, port=app.port))
    return found
