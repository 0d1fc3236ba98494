"""What scales the model servers of a stack: KEDA, or a stand-in for it on a local cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.components import local_autoscaler
from infra.components.keda import Keda, KedaArgs, scaled_object
from infra.components.local_autoscaler import LocalAutoscaler, LocalAutoscalerArgs
from infra.components.network_policies import Edge, Outside, Workload
from infra.components.scaling import Scaling
from infra.components.scope import Scope
from infra.ground import Ground
from infra.schema.scaling_choices import keda_mode


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """The roles whose number of servers changes, and where they are."""

    scope: Scope
    servers: Mapping[str, Workload]  # by role
    made: Mapping[str, pulumi.Resource]  # what those are, by role
    scalings: Mapping[str, Scaling]


def autoscale(scaled: Scaled, ground: Ground) -> list[Edge]:
    """Scale model servers by their own metrics; return who talks to whom for that."""
    local = ground.settings.cluster.kind == "local"
    return stand_in(scaled, ground) if local else by_keda(scaled, ground)


def stand_in(scaled: Scaled, ground: Ground) -> list[Edge]:
    """Scale on a local cluster; return who talks to whom for that."""
    image = ground.image("models")
    port = next(iter(scaled.servers.values())).port
    LocalAutoscaler(
        "autoscaler",
        LocalAutoscalerArgs(scope=scaled.scope, image=image, port=port, scalings=scaled.scalings),
        ground.opts,
    )
    reader = Workload(name=local_autoscaler.NAME, scope=scaled.scope, port=local_autoscaler.PORT)
    return [
        Edge(source=Outside(name="api-server"), target=reader, port=reader.port),
        *(
            Edge(source=reader, target=scaled.servers[role], port=scaled.servers[role].port)
            for role in scaled.scalings
        ),
    ]


def by_keda(scaled: Scaled, ground: Ground) -> list[Edge]:
    """Install KEDA where it is not there, and scale by it; return who talks to whom for that."""
    settings, mirrored = ground.settings, ground.settings.registry.mirrored
    before: list[pulumi.Resource] = []
    if keda_mode(settings) == "install":
        args = KedaArgs(
            stack=scaled.scope.stack,
            settings=settings.keda,
            images=ground.catalog.keda if mirrored else {},
            credentials=ground.credentials() if mirrored else None,
            access=ground.access(),
            after=ground.copies,
        )
        before = [Keda("keda", args, ground.opts).release]
    keda = Outside(name="keda", namespace=settings.keda.namespace)
    edges = []
    for role, scaling in scaled.scalings.items():
        server = scaled.servers[role]
        scaled_object(
            role,
            scope=scaled.scope,
            # KEDA takes the namespace from between the first two dots, and a port may not be in it
            url=f"http://{role}.{scaled.scope.name}.svc:{server.port}/v1/metrics",
            scaling=scaling,
            # KEDA does not watch for what it is to scale: where there is none yet, it asks again
            # after ever longer pauses, and a first download takes longer than the longest of them
            opts=pulumi.ResourceOptions.merge(
                ground.opts, pulumi.ResourceOptions(depends_on=[*before, scaled.made[role]])
            ),
        )
        edges.append(Edge(source=keda, target=server, port=server.port))
    return edges
