"""What scales the model servers of a stack: KEDA, or a stand-in for it on a local cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from infra.catalog import Catalog
from infra.components import local_autoscaler
from infra.components.keda import Keda, KedaArgs, scaled_object
from infra.components.local_autoscaler import LocalAutoscaler, LocalAutoscalerArgs
from infra.components.network_policies import Edge, Outside, Workload
from infra.components.pull_secret import PullCredentials
from infra.components.scaling import Scaling
from infra.components.scope import Scope
from infra.schema import Settings
from infra.schema.scaling_choices import keda_mode


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """The roles whose number of servers changes, and where they are."""

    scope: Scope
    servers: Mapping[str, Workload]  # by role
    scalings: Mapping[str, Scaling]


def stand_in(scaled: Scaled, image: pulumi.Input[str], opts: pulumi.ResourceOptions) -> list[Edge]:
    """Scale on a local cluster; return who talks to whom for that."""
    port = next(iter(scaled.servers.values())).port
    LocalAutoscaler(
        "autoscaler",
        LocalAutoscalerArgs(scope=scaled.scope, image=image, port=port, scalings=scaled.scalings),
        opts,
    )
    reader = Workload(name=local_autoscaler.NAME, scope=scaled.scope, port=local_autoscaler.PORT)
    return [
        Edge(source=Outside(name="api-server"), target=reader, port=reader.port),
        *(
            Edge(source=reader, target=scaled.servers[role], port=scaled.servers[role].port)
            for role in scaled.scalings
        ),
    ]


def by_keda(
    scaled: Scaled,
    settings: Settings,
    catalog: Catalog,
    credentials: PullCredentials | None,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> list[Edge]:
    """Install KEDA where it is not there, and scale by it; return who talks to whom for that."""
    before: list[pulumi.Resource] = []
    if keda_mode(settings) == "install":
        args = KedaArgs(
            stack=scaled.scope.stack,
            settings=settings.keda,
            images=catalog.keda if settings.registry.mirrored else {},
            credentials=credentials if settings.registry.mirrored else None,
            after=after,
        )
        before = [Keda("keda", args, opts).release]
    keda = Outside(name="keda", namespace=settings.keda.namespace)
    edges = []
    for role, scaling in scaled.scalings.items():
        server = scaled.servers[role]
        scaled_object(
            role,
            scope=scaled.scope,
            url=f"http://{role}.{scaled.scope.name}:{server.port}/v1/metrics",
            scaling=scaling,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=before)),
        )
        edges.append(Edge(source=keda, target=server, port=server.port))
    return edges
