"""The vector store: Qdrant's image, or local/qdrant where no registry has it."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.generated_secret import GeneratedSecret
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
from infra.components.volume import data_volume
from infra.labels import labels, selector

PORT = 6333
OFFICIAL_USER = 1000  # of the unprivileged image
STORAGE, CONFIG, KEY = "/qdrant/storage", "/qdrant/config/local.yaml", "/etc/qdrant/api-key"
RESOURCES = Resources(cpu="50m", memory="192Mi", memory_limit="2Gi")
PROBES = Probes(live="/livez", ready="/readyz", startup_seconds=120)
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class QdrantArgs:
    scope: Scope
    image: pulumi.Input[str]
    official: bool
    storage: str


class Qdrant(pulumi.ComponentResource):
    """One Qdrant; `url` and `api_key` are how clients in the cluster reach it."""

    url: str
    api_key: pulumi.Output[str]

    def __init__(
        self, name: str, args: QdrantArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Qdrant", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope = args.scope
        self.url = f"http://{name}.{scope.name}.svc:{PORT}"
        self.api_key = GeneratedSecret(f"{name}-key", "Qdrant's API key", child).value
        key = core.Secret(
            f"{name}-secret",
            metadata=scope.unnamed(name, "vector-store"),
            string_data={
                "api-key": self.api_key,
                # Qdrant reads keys from its configuration or the environment, never from a key file
                "local.yaml": self.api_key.apply(
                    lambda value: json.dumps({"service": {"api_key": value}})
                ),
            },
            opts=child,
        )
        volume = data_volume(
            f"{name}-data",
            scope=scope,
            name=f"{name}-data",
            component="vector-store",
            storage=args.storage,
            parent=self,
        )
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
        k8s.apps.v1.StatefulSet(
            f"{name}-statefulset",
            metadata=scope.metadata(name, "vector-store"),
            spec=k8s.apps.v1.StatefulSetSpecArgs(
                replicas=1,
                service_name=name,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=labels(name, "vector-store", scope.stack)
                    ),
                    spec=pod_spec(
                        scope,
                        account=account.metadata.name,
                        user=OFFICIAL_USER if args.official else NOBODY,
                        containers=[_container(name, args)],
                        volumes=[
                            claim_volume("data", volume.metadata.name),
                            secret_volume("key", key.metadata.name),
                            *(_official_volumes() if args.official else []),
                        ],
                    ),
                ),
            ),
            opts=child,
        )
        self.register_outputs({"url": self.url})


def _container(name: str, args: QdrantArgs) -> k8s.core.v1.ContainerArgs:
    if args.official:
        environment = {
            "QDRANT__TELEMETRY_DISABLED": "true",
            # both would be written beside the program, where nothing may be written
            "QDRANT_INIT_FILE_PATH": "/qdrant/init/.qdrant-initialized",
            "QDRANT__STORAGE__SNAPSHOTS_PATH": "/qdrant/snapshots",
        }
        file = core.VolumeMountArgs(
            name="key", mount_path=CONFIG, sub_path="local.yaml", read_only=True
        )
        mounts = [file, mount("init", "/qdrant/init"), mount("snapshots", "/qdrant/snapshots")]
    else:
        environment = {
            "QDRANT_EDGE_DIR": STORAGE,
            "QDRANT_EDGE_PORT": str(PORT),
            "QDRANT_EDGE_API_KEY_FILE": KEY,
        }
        mounts = [mount("key", "/etc/qdrant", read_only=True)]
    return container(
        name,
        image=args.image,
        port=PORT,
        environment=environment,
        probes=PROBES,
        resources=RESOURCES,
        mounts=[mount("data", STORAGE), *mounts],
    )


def _official_volumes() -> list[k8s.core.v1.VolumeArgs]:
    return [
        core.VolumeArgs(name=name, empty_dir=core.EmptyDirVolumeSourceArgs())
        for name in ("init", "snapshots")
    ]
