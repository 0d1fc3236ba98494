"""The vector store: Qdrant's image, or local/qdrant where no registry has it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pulumi
import pulumi_kubernetes as k8s

from infra.components.availability import apart, budget, spread
from infra.components.generated_certificate import GeneratedCertificate
from infra.components.generated_secret import GeneratedSecret
from infra.components.inside_tls import CA, CERTIFICATE, KEY, shown
from infra.components.pod import (
    NOBODY,
    Probes,
    Resources,
    claim_volume,
    container,
    mount,
    pod_spec,
    secret_volume,
)
from infra.components.scope import SKIP_AWAIT, Scope
from infra.components.version_step import VersionStep
from infra.components.volume import data_volume
from infra.labels import labels, selector

PORT, PEER_PORT = 6333, 6335
OFFICIAL_USER = 1000  # of the unprivileged image
STORAGE, CONFIG, KEYS = "/qdrant/storage", "/qdrant/config/local.yaml", "/etc/qdrant"
# The first node founds the cluster, the others join it; a node that comes back finds its place in
# its storage. The image's own entry point, with what it knows no environment variable for.
START = """me={scheme}://$HOSTNAME.{service}:{port}
first={scheme}://{name}-0.{service}:{port}
[ "$me" = "$first" ] && exec ./entrypoint.sh --uri "$me"
exec ./entrypoint.sh --bootstrap "$first" --uri "$me"
"""
RESOURCES = Resources(cpu="50m", memory="192Mi", memory_limit="2Gi")
PROBES = Probes(live="/livez", ready="/readyz", startup_seconds=120)
OVER_TLS = replace(PROBES, scheme="HTTPS")  # kubelet does not look at the certificate
# https://qdrant.tech/documentation/operations/security/#tls
OFFICIAL_TLS = {
    "QDRANT__SERVICE__ENABLE_TLS": "true",
    "QDRANT__TLS__CERT": CERTIFICATE,
    "QDRANT__TLS__KEY": KEY,
    "QDRANT__TLS__CA_CERT": CA,
}
EDGE_TLS = {"QDRANT_EDGE_TLS_CERT_FILE": CERTIFICATE, "QDRANT_EDGE_TLS_KEY_FILE": KEY}
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class QdrantArgs:
    scope: Scope
    image: pulumi.Input[str]
    official: bool
    storage: str
    nodes: int = 1
    version: str | None = None  # where its image says one
    certificate: GeneratedCertificate | None = None  # where it speaks TLS

    @property
    def scheme(self) -> Literal["http", "https"]:
        return "http" if self.certificate is None else "https"


class Qdrant(pulumi.ComponentResource):
    """One Qdrant, of one node or several; `url` and a key are how clients reach it.

    `api_key` writes; with `read_only_api_key` questions are asked.
    """

    url: str
    api_key: pulumi.Output[str]
    read_only_api_key: pulumi.Output[str]

    def __init__(
        self, name: str, args: QdrantArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Qdrant", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope = args.scope
        self.url = f"{args.scheme}://{name}.{scope.name}.svc:{PORT}"
        self.api_key = GeneratedSecret(f"{name}-key", "Qdrant's API key", child).value
        self.read_only_api_key = GeneratedSecret(
            f"{name}-read-key", "Qdrant's read-only API key", child
        ).value
        both = pulumi.Output.all(self.api_key, self.read_only_api_key)
        key = core.Secret(
            f"{name}-secret",
            metadata=scope.unnamed(name, "vector-store"),
            string_data={
                "api-key": self.api_key,
                "read-only-api-key": self.read_only_api_key,
                # Qdrant reads keys from its configuration or the environment, never from a key file
                "local.yaml": both.apply(
                    lambda keys: json.dumps(
                        {"service": {"api_key": keys[0], "read_only_api_key": keys[1]}}
                    )
                ),
            },
            opts=child,
        )
        volumes, mounts = shown(name, "vector-store", scope, args.certificate, self)
        claims = self._claims(name, args)
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=scope.metadata(name, "vector-store"),
            automount_service_account_token=False,
            opts=child,
        )
        core.Service(
            f"{name}-service",
            metadata=scope.metadata(name, "vector-store", SKIP_AWAIT),
            spec=core.ServiceSpecArgs(
                selector=selector(name, scope.stack),
                ports=[core.ServicePortArgs(name="http", port=PORT, target_port="http")],
            ),
            opts=child,
        )
        several = args.nodes > 1
        if several:
            self._peers(name, scope)
            budget(name, scope=scope, component="vector-store", parent=self)
        before: list[pulumi.Resource] = [*claims]
        if args.version is not None:
            before.append(VersionStep(f"{name}-version", "Qdrant", args.version, child))
        k8s.apps.v1.StatefulSet(
            f"{name}-statefulset",
            metadata=scope.metadata(name, "vector-store"),
            spec=k8s.apps.v1.StatefulSetSpecArgs(
                replicas=args.nodes,
                service_name=peers_of(name) if several else name,
                # one that waits for the others must not keep them from starting
                pod_management_policy="Parallel" if several else None,
                volume_claim_templates=[_template(scope, args.storage)] if several else None,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=labels(name, "vector-store", scope.stack)
                    ),
                    spec=pod_spec(
                        scope,
                        account=account.metadata.name,
                        user=OFFICIAL_USER if args.official else NOBODY,
                        containers=[_container(name, args, mounts)],
                        grace_seconds=60 if several else 30,
                        affinity=apart(name, scope) if several else None,
                        spread=spread(name, scope) if several else None,
                        volumes=[
                            *(
                                [claim_volume("data", claims[0].metadata.name)]
                                if not several
                                else []
                            ),
                            secret_volume("key", key.metadata.name),
                            *(_official_volumes() if args.official else []),
                            *volumes,
                        ],
                    ),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.register_outputs({"url": self.url})

    def _claims(self, name: str, args: QdrantArgs) -> list[k8s.core.v1.PersistentVolumeClaim]:
        """Claim a volume for each node, protected; a StatefulSet takes those of its names."""
        several = args.nodes > 1
        names = (
            [f"data-{name}-{each}" for each in range(args.nodes)] if several else [f"{name}-data"]
        )
        return [
            data_volume(
                f"{name}-{each}" if several else each,
                scope=args.scope,
                name=each,
                component="vector-store",
                storage=args.storage,
                parent=self,
            )
            for each in names
        ]

    def _peers(self, name: str, scope: Scope) -> None:
        """Give each node an address of its own, also while it is not ready: they must meet."""
        core.Service(
            f"{peers_of(name)}-service",
            metadata=scope.metadata(peers_of(name), "vector-store", SKIP_AWAIT),
            spec=core.ServiceSpecArgs(
                cluster_ip="None",
                publish_not_ready_addresses=True,
                selector=selector(name, scope.stack),
                ports=[core.ServicePortArgs(name="peers", port=PEER_PORT)],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def peers_of(name: str) -> str:
    """Return the name of the Service by which the nodes find each other."""
    return f"{name}-peers"


def _template(scope: Scope, storage: str) -> k8s.core.v1.PersistentVolumeClaimArgs:
    return core.PersistentVolumeClaimArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(name="data"),
        spec=core.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=scope.storage_class,
            resources=core.VolumeResourceRequirementsArgs(requests={"storage": storage}),
        ),
    )


def _container(
    name: str, args: QdrantArgs, also: Sequence[k8s.core.v1.VolumeMountArgs]
) -> k8s.core.v1.ContainerArgs:
    secure = args.certificate is not None
    if args.official:
        environment = {
            "QDRANT__TELEMETRY_DISABLED": "true",
            # both would be written beside the program, where nothing may be written
            "QDRANT_INIT_FILE_PATH": "/qdrant/init/.qdrant-initialized",
            "QDRANT__STORAGE__SNAPSHOTS_PATH": "/qdrant/snapshots",
            **(OFFICIAL_TLS if secure else {}),
        }
        file = core.VolumeMountArgs(
            name="key", mount_path=CONFIG, sub_path="local.yaml", read_only=True
        )
        mounts = [file, mount("init", "/qdrant/init"), mount("snapshots", "/qdrant/snapshots")]
    else:
        environment = {
            "QDRANT_EDGE_DIR": STORAGE,
            "QDRANT_EDGE_PORT": str(PORT),
            "QDRANT_EDGE_API_KEY_FILE": f"{KEYS}/api-key",
            "QDRANT_EDGE_READ_ONLY_API_KEY_FILE": f"{KEYS}/read-only-api-key",
            **(EDGE_TLS if secure else {}),
        }
        mounts = [mount("key", KEYS, read_only=True)]
    command = None
    if args.nodes > 1:
        environment["QDRANT__CLUSTER__ENABLED"] = "true"
        environment["QDRANT__CLUSTER__P2P__PORT"] = str(PEER_PORT)
        if secure:
            # nodes know each other by their certificates, both ways
            environment["QDRANT__CLUSTER__P2P__ENABLE_TLS"] = "true"
        script = START.format(scheme=args.scheme, service=peers_of(name), name=name, port=PEER_PORT)
        command = ["/bin/sh", "-c", script]
    return container(
        name,
        command=command,
        image=args.image,
        port=PORT,
        environment=environment,
        probes=OVER_TLS if secure else PROBES,
        resources=RESOURCES,
        mounts=[mount("data", STORAGE), *mounts, *also],
    )


def _official_volumes() -> list[k8s.core.v1.VolumeArgs]:
    return [
        core.VolumeArgs(name=name, empty_dir=core.EmptyDirVolumeSourceArgs())
        for name in ("init", "snapshots")
    ]
