"""The service that users call: the app image, its documents' volume, its keys as files."""

from dataclasses import replace

import pulumi
import pulumi_kubernetes as k8s

from infra.components.availability import NODE
from infra.components.bulk_load import BulkLoadArgs, bulk_load
from infra.components.pod import (
    Probes,
    claim_volume,
    container,
    mount,
    pod_spec,
    secret_volume,
)
from infra.components.rag_inputs import (
    DATA,
    DRAIN_SECONDS,
    KEYS,
    LEAVE_SECONDS,
    PORT,
    RESOURCES,
    STOP_SECONDS,
    TLS,
    RagAppArgs,
    environment,
    key_files,
)
from infra.components.scope import SKIP_AWAIT, Scope
from infra.components.site import site_config
from infra.components.velero import hooks
from infra.components.volume import data_volume
from infra.labels import labels, selector
from infra.schema import AppSettings

# Ready when it answers at all: one that misses a model must still say so to its callers, by a 503
# with the reason and by /readyz, instead of vanishing from its Service.
PROBES = Probes(live="/healthz", ready="/healthz", startup_seconds=240)
OVER_TLS = replace(PROBES, scheme="HTTPS")  # kubelet does not look at the certificate
core = k8s.core.v1


class RagApp(pulumi.ComponentResource):
    """One app; `service` is how it is reached."""

    service: k8s.core.v1.Service

    def __init__(
        self, name: str, args: RagAppArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:RagApp", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope = args.scope
        files = key_files(args)
        secret = core.Secret(
            f"{name}-keys", metadata=scope.unnamed(name, "app"), string_data=files, opts=child
        )
        volume = data_volume(
            f"{name}-data",
            scope=scope,
            name=f"{name}-data",
            component="app",
            storage=args.settings.storage,
            parent=self,
        )
        site = site_config(f"{name}-site", scope, name, args.settings.site, parent=self)
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=scope.metadata(name, "app"),
            automount_service_account_token=False,
            opts=child,
        )
        self.service = core.Service(
            f"{name}-service",
            # a load balancer's address is an output, so that one is waited for
            metadata=scope.metadata(
                name, "app", args.load_balancer if args.expose == "LoadBalancer" else SKIP_AWAIT
            ),
            spec=core.ServiceSpecArgs(
                type=args.expose,
                selector=selector(name, scope.stack),
                ports=[
                    core.ServicePortArgs(
                        name="http", port=PORT, target_port="http", node_port=args.node_port
                    )
                ],
            ),
            opts=child,
        )
        over_tls = args.certificate is not None
        annotations = {
            **(site.annotations or {}),
            **(hooks(name, over_tls=over_tls) if args.velero else {}),
        }
        served = [] if args.certificate is None else [secret_volume("tls", args.certificate)]
        variables = {**environment(args), **scope.outward.environment}
        mounts = [
            mount("data", DATA),
            mount("keys", KEYS, read_only=True),
            *([mount("tls", TLS, read_only=True)] if served else []),
            *site.mounts,
            *scope.outward.mounts,
        ]
        volumes = [
            claim_volume("data", volume.metadata.name),
            secret_volume("keys", secret.metadata.name),
            *served,
            *site.volumes,
            *scope.outward.volumes,
        ]
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=scope.metadata(name, "app"),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=args.settings.replicas,
                strategy=strategy(args.settings),
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=labels(name, "app", scope.stack),
                        annotations=annotations or None,
                    ),
                    spec=pod_spec(
                        scope,
                        account=account.metadata.name,
                        grace_seconds=LEAVE_SECONDS + DRAIN_SECONDS + STOP_SECONDS,
                        affinity=together(name, scope),
                        containers=[
                            container(
                                name,
                                image=args.image,
                                port=PORT,
                                environment=variables,
                                probes=OVER_TLS if over_tls else PROBES,
                                resources=RESOURCES,
                                mounts=mounts,
                            )
                        ],
                        volumes=volumes,
                    ),
                ),
            ),
            opts=child,
        )
        if args.settings.bulk_workers:
            bulk = BulkLoadArgs(
                scope=scope,
                image=args.image,
                workers=args.settings.bulk_workers,
                account=account.metadata.name,
                environment=variables,
                mounts=mounts,
                volumes=volumes,
                resources=RESOURCES,
                beside=together(name, scope),
            )
            bulk_load(f"{name}-bulk", bulk, parent=self)
        self.register_outputs({})


def strategy(settings: AppSettings) -> k8s.apps.v1.DeploymentStrategyArgs:
    """Return how pods are replaced: the new one answers before an old one is told to end."""
    if settings.update == "recreate":
        return k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    return k8s.apps.v1.DeploymentStrategyArgs(
        type="RollingUpdate",
        rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
    )


def together(name: str, scope: Scope) -> k8s.core.v1.AffinityArgs:
    """Keep all pods on one node, whatever the volume's access mode: SQLite's locks end there.

    There is no disruption budget beside it: one that keeps a pod would hold up a drain for good,
    for the next pod can only come to another node when all of these have gone.
    """
    return core.AffinityArgs(
        pod_affinity=core.PodAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                core.PodAffinityTermArgs(
                    topology_key=NODE,
                    label_selector=k8s.meta.v1.LabelSelectorArgs(
                        match_labels=selector(name, scope.stack)
                    ),
                )
            ]
        )
    )
