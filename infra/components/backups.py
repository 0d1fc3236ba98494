"""Backups by the clock: a CronJob fetches one from the app, and the newest stay on a volume."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components import rag_inputs
from infra.components.pod import Resources, claim_volume, mount, pod_spec, restricted, secret_volume
from infra.components.scope import Scope
from infra.components.volume import data_volume
from infra.labels import labels
from infra.schema import BackupSettings

NAME = "backup"
FOLDER, KEYS, TLS = "/backups", "/etc/rag", "/etc/rag-tls"
RESOURCES = Resources(cpu="50m", memory="128Mi", memory_limit="512Mi")
HOURS = 6  # as long as the app gives one
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """What the CronJob needs; `image` is the app's."""

    scope: Scope
    image: pulumi.Input[str]
    settings: BackupSettings
    schedule: str
    api_keys: pulumi.Output[str]
    certificate: pulumi.Output[str] | None = None  # the Secret of the app's, where it ends TLS


class Backups(pulumi.ComponentResource):
    """One CronJob and its volume, in the app's namespace."""

    def __init__(
        self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Backups", name, None, opts)
        child, scope = pulumi.ResourceOptions(parent=self), args.scope
        volume = data_volume(
            f"{name}-data",
            scope=scope,
            name=f"{NAME}-data",
            component="backup",
            storage=args.settings.storage,
            storage_class=args.settings.storage_class,
            parent=self,
        )
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=scope.metadata(NAME, "backup"),
            automount_service_account_token=False,
            opts=child,
        )
        secret = core.Secret(
            f"{name}-key",
            metadata=scope.unnamed(NAME, "backup"),
            string_data={"key": args.api_keys},
            opts=child,
        )
        scheme = "http" if args.certificate is None else "https"
        # the one certificate itself: which names it has is the site's business
        pinned = [] if args.certificate is None else ["--pin", f"{TLS}/tls.crt"]
        shown = [] if args.certificate is None else [_without_key(args.certificate)]
        pod = pod_spec(
            scope,
            account=account.metadata.name,
            restart_policy="OnFailure",
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
                        *("--folder", FOLDER),
                        *("--keep", str(args.settings.keep)),
                        *pinned,
                    ],
                    resources=RESOURCES.args(),
                    security_context=restricted(),
                    volume_mounts=[
                        mount("data", FOLDER),
                        mount("key", KEYS, read_only=True),
                        *([mount("tls", TLS, read_only=True)] if shown else []),
                        mount("tmp", "/tmp"),
                    ],
                )
            ],
            volumes=[
                claim_volume("data", volume.metadata.name),
                secret_volume("key", secret.metadata.name),
                *shown,
            ],
        )
        k8s.batch.v1.CronJob(
            f"{name}-cron",
            metadata=scope.metadata(NAME, "backup"),
            spec=k8s.batch.v1.CronJobSpecArgs(
                schedule=args.schedule,
                concurrency_policy="Forbid",
                starting_deadline_seconds=3600,
                job_template=k8s.batch.v1.JobTemplateSpecArgs(
                    spec=k8s.batch.v1.JobSpecArgs(
                        backoff_limit=3,
                        active_deadline_seconds=HOURS * 3600,
                        template=core.PodTemplateSpecArgs(
                            metadata=k8s.meta.v1.ObjectMetaArgs(
                                labels=labels(NAME, "backup", scope.stack)
                            ),
                            spec=pod,
                        ),
                    )
                ),
            ),
            opts=child,
        )
        self.register_outputs({})


def _without_key(secret: pulumi.Output[str]) -> k8s.core.v1.VolumeArgs:
    """Return a volume of a certificate alone; its key stays with the app."""
    items = [core.KeyToPathArgs(key="tls.crt", path="tls.crt")]
    source = core.SecretVolumeSourceArgs(secret_name=secret, items=items, default_mode=0o440)
    return core.VolumeArgs(name="tls", secret=source)
