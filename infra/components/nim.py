"""One model role on GPUs: a NIM, its volume of model files, and the download that fills it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.availability import budget, spread
from infra.components.filling_job import CACHE, USER
from infra.components.generated_certificate import GeneratedCertificate
from infra.components.inside_tls import shown
from infra.components.model_import import model_import
from infra.components.model_server import NIM_TLS, one_at_a_time
from infra.components.nim_download import (
    FILES,
    download,
    fingerprint,
    told_of_a_wait,
    wait_for_files,
)
from infra.components.pod import Probes, Resources, claim_volume, container, mount, pod_spec
from infra.components.scaling import LEAVE_SECONDS, Scaling
from infra.components.scope import SKIP_AWAIT, Scope
from infra.components.volume import data_volume
from infra.labels import labels, selector

PORT = 8000
LIVE, READY = "/v1/health/live", "/v1/health/ready"
SHARED_MEMORY = "/dev/shm"
AWAIT_MINUTES = 15  # on top of the start: a node comes, and an image of 10 to 20 GB
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class NimArgs:
    """What one NIM needs; `environment` is for the server and for the download."""

    scope: Scope
    image: str
    resources: Resources
    environment: Mapping[str, str]
    server_environment: Mapping[str, str]
    profile: str | None
    storage: str
    storage_class: str | None
    access: str  # of the volume
    shared_memory: str
    startup_minutes: int
    weights_mib: int | None  # for the download's progress; None: unknown
    gpu: GpuPlace
    key: str | None  # name of the Secret with NGC_API_KEY; None: no download
    artefact: str | None = None  # the files in the private registry; with neither they are there
    importer: pulumi.Input[str] | None = None  # the image that pulls an artefact
    pull_secrets: Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None
    after: Sequence[pulumi.Resource]  # what makes GPUs usable
    scaling: Scaling | None
    certificate: GeneratedCertificate | None = None  # where it speaks TLS

    @property
    def several(self) -> bool:
        return self.scaling is not None and self.scaling.max > 1


class Nim(pulumi.ComponentResource):
    """One role; its name is the role and the Service, `url` ends in /v1."""

    url: str

    def __init__(
        self, name: str, args: NimArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Nim", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope = args.scope
        scheme = "http" if args.certificate is None else "https"
        tls = shown(name, "model", scope, args.certificate, self)
        self.url = f"{scheme}://{name}.{scope.name}.svc:{PORT}/v1"
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=scope.metadata(name, "model"),
            automount_service_account_token=False,
            opts=child,
        )
        core.Service(
            f"{name}-service",
            metadata=scope.metadata(name, "model", SKIP_AWAIT),
            spec=core.ServiceSpecArgs(
                selector=selector(name, scope.stack),
                ports=[core.ServicePortArgs(name="http", port=PORT, target_port="http")],
            ),
            opts=child,
        )
        volume = data_volume(
            f"{name}-cache",
            scope=scope,
            name=f"{name}-cache",
            component="model",
            storage=args.storage,
            storage_class=args.storage_class,
            access=args.access,
            protect=_by_hand(args),
            parent=self,
        )
        before: list[pulumi.Resource] = [*args.after]
        if args.key is not None:
            before.append(
                download(
                    name,
                    scope=scope,
                    image=args.image,
                    environment=args.environment,
                    profile=args.profile,
                    gpus=args.resources.gpus,
                    weights_mib=args.weights_mib,
                    gpu=args.gpu,
                    key=args.key,
                    pull_secrets=args.pull_secrets,
                    account=account.metadata.name,
                    claim=volume.metadata.name,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=before),
                )
            )
        if args.several:
            budget(name, scope=scope, component="model", parent=self)
        if args.artefact is not None and args.importer is not None:
            before.append(
                model_import(
                    name,
                    scope=scope,
                    image=args.importer,
                    artefact=args.artefact,
                    gpu=args.gpu,
                    pull_secrets=args.pull_secrets,
                    account=account.metadata.name,
                    claim=volume.metadata.name,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=before),
                )
            )
        minutes = args.startup_minutes + AWAIT_MINUTES
        files = (
            None if args.key is None else fingerprint(args.image, args.profile, args.environment)
        )
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=scope.metadata(name, "model"),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1 if args.scaling is None else None,  # else it is the autoscaler's
                # the new pod would wait for the GPU that the old one holds
                strategy=one_at_a_time(args.scaling),
                progress_deadline_seconds=minutes * 60,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=labels(name, "model", scope.stack),
                        annotations=None if files is None else {FILES: files},
                    ),
                    spec=_pod(name, args, account.metadata.name, volume.metadata.name, *tls),
                ),
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=before,
                custom_timeouts=pulumi.CustomTimeouts(create=f"{minutes}m", update=f"{minutes}m"),
                hooks=(
                    told_of_a_wait(name, scope.name, files)
                    if files is not None and args.profile is None
                    else None
                ),
            ),
        )
        self.register_outputs({"url": self.url})


def _by_hand(args: NimArgs) -> bool:
    """Tell whether a person fills the volume: it is protected then, and waited for."""
    return args.key is None and args.artefact is None


def _pod(
    name: str,
    args: NimArgs,
    account: pulumi.Input[str],
    claim: pulumi.Input[str],
    volumes: Sequence[k8s.core.v1.VolumeArgs],
    mounts: Sequence[k8s.core.v1.VolumeMountArgs],
) -> k8s.core.v1.PodSpecArgs:
    return pod_spec(
        args.scope,
        account=account,
        user=USER,
        grace_seconds=60 + (LEAVE_SECONDS if args.several else 0),
        spread=spread(name, args.scope) if args.several else None,
        place=args.gpu,
        pull_secrets=args.pull_secrets,
        init_containers=[wait_for_files(args.image)] if _by_hand(args) else [],
        containers=[
            container(
                name,
                image=args.image,
                port=PORT,
                environment={
                    **args.environment,
                    **args.server_environment,
                    **args.scope.outward.environment,
                    **(NIM_TLS if volumes else {}),
                },
                probes=Probes(
                    live=LIVE,
                    ready=READY,
                    startup=READY,
                    startup_period=10,
                    startup_seconds=args.startup_minutes * 60,
                    scheme="HTTPS" if volumes else None,
                ),
                resources=args.resources,
                mounts=[
                    mount("cache", CACHE),
                    mount("shared-memory", SHARED_MEMORY),
                    *args.scope.outward.mounts,
                    *mounts,
                ],
                writable_root=True,  # nothing shows that a NIM starts without
                leave_seconds=LEAVE_SECONDS if args.several else 0,
            )
        ],
        volumes=[
            claim_volume("cache", claim),
            *args.scope.outward.volumes,
            *volumes,
            core.VolumeArgs(
                name="shared-memory",
                empty_dir=core.EmptyDirVolumeSourceArgs(
                    medium="Memory", size_limit=args.shared_memory
                ),
            ),
        ],
    )
