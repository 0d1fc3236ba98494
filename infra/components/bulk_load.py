"""Helpers for bulk loads: a CronJob that never fires, as the template of an Indexed Job.

`stackyard ingest --bulk`, or `kubectl create job --from=cronjob/rag-bulk NAME`, makes the Job. Its
pods are the app's image on the app's volume, so they run on the app's node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.pod import Resources, mount, pod_spec, restricted
from infra.components.scope import Scope
from infra.labels import labels

NAME = "rag-bulk"
COMPONENT = "bulk"
IDLE_SECONDS = 60  # without work, then a helper ends
KEPT_SECONDS = 3600  # a Job that has ended, with its logs
RETRIES = 6  # of a pod that fails; what it had is taken up by the others
NEVER = "0 0 31 2 *"  # suspended besides
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class BulkLoadArgs:
    """The app's own pod, but for what it serves."""

    scope: Scope
    image: pulumi.Input[str]
    workers: int
    account: pulumi.Output[str]
    environment: Mapping[str, str]
    mounts: Sequence[k8s.core.v1.VolumeMountArgs]
    volumes: Sequence[k8s.core.v1.VolumeArgs]
    resources: Resources
    beside: k8s.core.v1.AffinityArgs  # the app


def bulk_load(
    resource: str, args: BulkLoadArgs, *, parent: pulumi.Resource
) -> k8s.batch.v1.CronJob:
    """Make the template; nothing runs until a Job is made of it."""
    scope = args.scope
    pod = pod_spec(
        scope,
        account=args.account,
        restart_policy="OnFailure",
        background=True,  # whoever asks goes before
        affinity=args.beside,
        containers=[
            core.ContainerArgs(
                name=NAME,
                image=args.image,
                image_pull_policy="IfNotPresent",
                command=["python3", "-m", "app.worker"],
                args=["--idle", str(IDLE_SECONDS)],
                env=[core.EnvVarArgs(name=key, value=val) for key, val in args.environment.items()],
                resources=args.resources.args(),
                security_context=restricted(),
                volume_mounts=[*args.mounts, mount("tmp", "/tmp")],
            )
        ],
        volumes=args.volumes,
    )
    template = core.PodTemplateSpecArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels(NAME, COMPONENT, scope.stack)), spec=pod
    )
    job = k8s.batch.v1.JobSpecArgs(
        completion_mode="Indexed",
        completions=args.workers,
        parallelism=args.workers,
        backoff_limit=RETRIES,
        ttl_seconds_after_finished=KEPT_SECONDS,
        template=template,
    )
    return k8s.batch.v1.CronJob(
        resource,
        metadata=scope.metadata(NAME, COMPONENT),
        spec=k8s.batch.v1.CronJobSpecArgs(
            schedule=NEVER,
            suspend=True,
            concurrency_policy="Forbid",
            job_template=k8s.batch.v1.JobTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels(NAME, COMPONENT, scope.stack)),
                spec=job,
            ),
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
