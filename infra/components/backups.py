"""Backups: a CronJob fetches one from the app by the clock, or a Deployment what changed, always.

The newest stay on a volume of their own, or in a bucket.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components import rag_inputs
from infra.components.network_policies import Edge, Outside, Workload
from infra.components.outward import Outward
from infra.components.pod import Resources, claim_volume, mount, pod_spec, restricted, secret_volume
from infra.components.scope import SKIP_AWAIT, Scope
from infra.components.volume import data_volume
from infra.components.way_out import WayOut
from infra.labels import labels, selector
from infra.schema import BackupSettings, S3Settings, Settings
from infra.schema.backup_choices import bucket_endpoint, bucket_region

NAME, BUCKET_KEY = "backup", "bucket-key"
FOLDER, KEYS, TLS = "/backups", "/etc/rag", "/etc/rag-tls"
# Where EKS's agent gives a pod its identity, on each node.
POD_IDENTITY = Outside(
    name="pod-identity", blocks=("169.254.170.23/32", "fd00:ec2::23/128"), port=80
)
RESOURCES = Resources(cpu="50m", memory="128Mi", memory_limit="512Mi")
HOURS = 6  # as long as the app gives one
# What follows says here after each round how it went; a round may be a whole backup.
STATE = "/tmp/state"
GOES_ON = f"import sys; sys.exit(open('{STATE}').read() != 'following')"
ALIVE = f"import os, time; assert time.time() - os.stat('{STATE}').st_mtime < {HOURS * 3600}"
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """What fetches backups needs; `image` is the app's. `settings` has a schedule or follows."""

    scope: Scope
    image: pulumi.Input[str]
    settings: BackupSettings
    api_keys: pulumi.Output[str]
    certificate: pulumi.Output[str] | None = None  # the Secret of the app's, where it ends TLS
    bucket: "BucketArgs | None" = None  # in place of the volume


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """A bucket, and how the pod shows who it is."""

    settings: S3Settings
    endpoint: str
    region: str
    key: pulumi.Output[str] | None  # ID:SECRET; None: Pod Identity


class Backups(pulumi.ComponentResource):
    """One CronJob or Deployment and its volume, in the app's namespace."""

    def __init__(
        self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Backups", name, None, opts)
        child, scope = pulumi.ResourceOptions(parent=self), args.scope
        bucket, follows = args.bucket, args.settings.follow is not None
        place = _place(bucket) if bucket is not None else ["--folder", FOLDER]
        kept = [] if bucket is not None else [self._volume(name, args)]
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=scope.metadata(NAME, "backup"),
            automount_service_account_token=False,
            opts=child,
        )
        secret = core.Secret(
            f"{name}-key",
            metadata=scope.unnamed(NAME, "backup"),
            string_data={
                "key": args.api_keys,
                **({BUCKET_KEY: bucket.key} if bucket and bucket.key is not None else {}),
            },
            opts=child,
        )
        scheme = "http" if args.certificate is None else "https"
        # the one certificate itself: which names it has is the site's business
        pinned = [] if args.certificate is None else ["--pin", f"{TLS}/tls.crt"]
        shown = [] if args.certificate is None else [_without_key(args.certificate)]
        # only a bucket is reached as what is outside is: the app is beside it
        calling = scope.outward if bucket is not None else Outward()
        pod = pod_spec(
            scope,
            account=account.metadata.name,
            restart_policy=None if follows else "OnFailure",
            background=True,
            containers=[
                core.ContainerArgs(
                    name=NAME,
                    image=args.image,
                    image_pull_policy="IfNotPresent",
                    command=["python3", "-m", "app.backup.keeping"],
                    args=[
                        f"{scheme}://rag.{scope.name}.svc:{rag_inputs.PORT}",
                        *("--key-file", f"{KEYS}/key"),
                        *place,
                        *("--keep", str(args.settings.keep)),
                        *_following(args.settings),
                        *pinned,
                    ],
                    env=[
                        core.EnvVarArgs(name=key, value=value)
                        for key, value in calling.environment.items()
                    ]
                    or None,
                    resources=RESOURCES.args(),
                    liveness_probe=_probe(ALIVE, period=300) if follows else None,
                    readiness_probe=_probe(GOES_ON, period=30) if follows else None,
                    security_context=restricted(),
                    volume_mounts=[
                        *([mount("data", FOLDER)] if kept else []),
                        mount("key", KEYS, read_only=True),
                        *([mount("tls", TLS, read_only=True)] if shown else []),
                        *calling.mounts,
                        mount("tmp", "/tmp"),
                    ],
                )
            ],
            volumes=[
                *kept,
                secret_volume("key", secret.metadata.name),
                *shown,
                *calling.volumes,
            ],
        )
        template = core.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels(NAME, "backup", scope.stack)),
            spec=pod,
        )
        if follows:
            self._follow(name, scope, template)
        else:
            self._by_the_clock(name, args, template)
        self.register_outputs({})

    def _by_the_clock(
        self, name: str, args: BackupsArgs, template: k8s.core.v1.PodTemplateSpecArgs
    ) -> None:
        assert args.settings.schedule is not None
        k8s.batch.v1.CronJob(
            f"{name}-cron",
            metadata=args.scope.metadata(NAME, "backup"),
            spec=k8s.batch.v1.CronJobSpecArgs(
                schedule=args.settings.schedule,
                concurrency_policy="Forbid",
                starting_deadline_seconds=3600,
                job_template=k8s.batch.v1.JobTemplateSpecArgs(
                    spec=k8s.batch.v1.JobSpecArgs(
                        backoff_limit=3,
                        active_deadline_seconds=HOURS * 3600,
                        template=template,
                    )
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _follow(self, name: str, scope: Scope, template: k8s.core.v1.PodTemplateSpecArgs) -> None:
        k8s.apps.v1.Deployment(
            f"{name}-follower",
            # it is ready once it has a backup, for which an `up` need not wait
            metadata=scope.metadata(NAME, "backup", SKIP_AWAIT),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                # two would each make a chain
                strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(NAME, scope.stack)),
                template=template,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _volume(self, name: str, args: BackupsArgs) -> k8s.core.v1.VolumeArgs:
        claim = data_volume(
            f"{name}-data",
            scope=args.scope,
            name=f"{NAME}-data",
            component="backup",
            storage=args.settings.storage,
            storage_class=args.settings.storage_class,
            parent=self,
        )
        return claim_volume("data", claim.metadata.name)


def bucket_args(settings: Settings, key: pulumi.Output[str] | None) -> BucketArgs | None:
    """Return the stack's bucket; None where backups go to a volume."""
    s3, endpoint = settings.backup.s3, bucket_endpoint(settings)
    if s3 is None or endpoint is None:
        return None
    return BucketArgs(settings=s3, endpoint=endpoint, region=bucket_region(settings), key=key)


def ways(app: Workload, bucket: BucketArgs | None, out: WayOut) -> list[Edge]:
    """Return whom what fetches backups talks to."""
    source = Workload(name=NAME, scope=app.scope, port=app.port)
    table = [Edge(source=source, target=app, port=app.port)]
    if bucket is not None:
        table += out.to(source, "backup-bucket", bucket.endpoint)
        if bucket.key is None:
            table.append(Edge(source=source, target=POD_IDENTITY, port=POD_IDENTITY.port))
    return table


def _following(settings: BackupSettings) -> list[str]:
    if settings.follow is None:
        return []
    told = {"--follow": settings.follow, "--whole-every": settings.whole_every, "--state": STATE}
    return [each for option, value in told.items() for each in (option, str(value))]


def _probe(program: str, *, period: int) -> k8s.core.v1.ProbeArgs:
    return core.ProbeArgs(
        exec_=core.ExecActionArgs(command=["python3", "-c", program]),
        period_seconds=period,
        timeout_seconds=20,
        failure_threshold=3,
    )


def _place(bucket: BucketArgs) -> list[str]:
    key = ["--bucket-key-file", f"{KEYS}/{BUCKET_KEY}"] if bucket.key is not None else []
    prefix = ["--prefix", bucket.settings.prefix] if bucket.settings.prefix else []
    return [
        *("--bucket", bucket.settings.bucket),
        *prefix,
        *("--endpoint", bucket.endpoint),
        *("--region", bucket.region),
        *key,
    ]


def _without_key(secret: pulumi.Output[str]) -> k8s.core.v1.VolumeArgs:
    """Return a volume of a certificate alone; its key stays with the app."""
    items = [core.KeyToPathArgs(key="tls.crt", path="tls.crt")]
    source = core.SecretVolumeSourceArgs(secret_name=secret, items=items, default_mode=0o440)
    return core.VolumeArgs(name="tls", secret=source)
