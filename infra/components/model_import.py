"""The Job that fills a NIM's volume from the private registry, where there is no way out."""

import hashlib
from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.filling_job import CACHE, filling_job
from infra.components.outward import FILE, FOLDER
from infra.components.pod import Resources, mount, restricted
from infra.components.scope import Scope

KEYS = "/etc/stackyard/registry"
DOCKER_CONFIG = ".dockerconfigjson"
# the files go to the volume in pieces; unpacking and checking are bound by the disk
RESOURCES = Resources(cpu="100m", memory="128Mi", memory_limit="2Gi", cpu_limit="4")
core = k8s.core.v1


def model_import(
    role: str,
    *,
    scope: Scope,
    image: pulumi.Input[str],
    artefact: str,
    gpu: GpuPlace,
    pull_secrets: Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None,
    account: pulumi.Input[str],
    claim: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> k8s.batch.v1.Job:
    """Pull a role's files once, check each against its hash; a new Job for a new artefact.

    It logs in by the Secret that kubelet pulls by, and no key of NVIDIA is anywhere.
    """
    name = import_name(role)
    keys = scope.pull_secret
    main = core.ContainerArgs(
        name="import",
        image=image,
        image_pull_policy="IfNotPresent",
        env=[
            core.EnvVarArgs(name=each, value=value)
            for each, value in {
                "ARTEFACT": artefact,
                "CACHE": CACHE,
                "KEYS": f"{KEYS}/config.json",
                "CA": f"{FOLDER}/{FILE}",
                "HOME": "/tmp",
                **scope.outward.environment,
            }.items()
        ],
        resources=RESOURCES.args(),
        security_context=restricted(),
        termination_message_policy="FallbackToLogsOnError",  # the cause is in the pod's status
        volume_mounts=[
            mount("cache", CACHE),
            mount("tmp", "/tmp"),
            *([mount("keys", KEYS, read_only=True)] if keys is not None else []),
            *scope.outward.mounts,
        ],
    )
    login = core.VolumeArgs(
        name="keys",
        secret=core.SecretVolumeSourceArgs(
            secret_name=keys,
            default_mode=0o440,
            items=[core.KeyToPathArgs(key=DOCKER_CONFIG, path="config.json")],
        ),
    )
    which = hashlib.sha256(artefact.encode()).hexdigest()[:8]
    return filling_job(
        f"{role}-import",
        name=f"{name}-{which}",
        label=name,
        role=role,
        scope=scope,
        account=account,
        gpu=gpu,
        pull_secrets=pull_secrets,
        container=main,
        claim=claim,
        volumes=[login] if keys is not None else [],
        opts=opts,
    )


def import_name(role: str) -> str:
    """Return the name in the labels of a role's import, by which it reaches the registry."""
    return f"{role}-import"
