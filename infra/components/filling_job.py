"""The Job that fills a NIM's volume before its server starts, from wherever its files come."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.pod import claim_volume, pod_spec
from infra.components.scope import Scope
from infra.labels import labels, selector

CACHE = "/opt/nim/.cache"
USER = 1000  # of every NIM image
HOURS = 4
TRY_AGAIN = {"pulumi.com/replaceUnready": "true"}  # a failed Job by the next `up`
core = k8s.core.v1


def filling_job(
    resource: str,
    *,
    name: str,
    label: str,
    role: str,
    scope: Scope,
    account: pulumi.Input[str],
    gpu: GpuPlace,
    pull_secrets: Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None,
    container: k8s.core.v1.ContainerArgs,
    claim: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    init_containers: Sequence[k8s.core.v1.ContainerArgs] = (),
    volumes: Sequence[k8s.core.v1.VolumeArgs] = (),
) -> k8s.batch.v1.Job:
    """Fill a role's volume; `name` changes with what is to be in it, `label` names its pods.

    Under an unchanged name it is left as it is, whatever else its pod is to be: a Job's pod cannot
    be changed, and a Job anew would look for a GPU and fill a volume that is full. One that has
    failed is made anew by the next `up`, with the pod of that day.
    """
    own = pulumi.ResourceOptions(
        ignore_changes=["spec.template"],
        custom_timeouts=pulumi.CustomTimeouts(create=f"{HOURS}h", update=f"{HOURS}h"),
    )
    return k8s.batch.v1.Job(
        resource,
        metadata=scope.metadata(name, "model", TRY_AGAIN),
        spec=k8s.batch.v1.JobSpecArgs(
            backoff_limit=2,  # it goes on where it stopped
            active_deadline_seconds=HOURS * 3600,
            template=core.PodTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels(label, "model", scope.stack)),
                spec=pod_spec(
                    scope,
                    account=account,
                    user=USER,
                    place=gpu,
                    affinity=_beside(role, scope),
                    restart_policy="Never",
                    background=True,
                    pull_secrets=pull_secrets,
                    init_containers=init_containers,
                    containers=[container],
                    volumes=[claim_volume("cache", claim), *volumes, *scope.outward.volumes],
                ),
            ),
        ),
        opts=pulumi.ResourceOptions.merge(own, opts),
    )


def _beside(role: str, scope: Scope) -> k8s.core.v1.AffinityArgs:
    """Go where the role's server is, if it runs: a volume may be held by one node."""
    return core.AffinityArgs(
        pod_affinity=core.PodAffinityArgs(
            preferred_during_scheduling_ignored_during_execution=[
                core.WeightedPodAffinityTermArgs(
                    weight=100,
                    pod_affinity_term=core.PodAffinityTermArgs(
                        topology_key="kubernetes.io/hostname",
                        label_selector=k8s.meta.v1.LabelSelectorArgs(
                            match_labels=selector(role, scope.stack)
                        ),
                    ),
                )
            ]
        )
    )
