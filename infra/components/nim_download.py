"""The Job that downloads a NIM's model files before its server starts, and tells how far it is."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.filling_job import CACHE, filling_job
from infra.components.pod import Resources, mount, restricted
from infra.components.scope import Scope

KEY = "NGC_API_KEY"  # also the key in the Secret
core = k8s.core.v1
SMALL = Resources(cpu="10m", memory="32Mi", memory_limit="128Mi", cpu_limit="200m")
# not the server's: then a change of those would download anew
DOWNLOADING = Resources(cpu="100m", memory="512Mi", memory_limit="16Gi", cpu_limit="4")
# process 1 of a container heeds no SIGTERM that it does not catch, and would be waited for 30 s;
# a shell catches it between two commands, and in `wait`
LET_GO = "trap 'exit 0' TERM\n"
# sh and du are all that it asks of the image
PROGRESS = f"""{LET_GO}before=$(du -sk {CACHE} | cut -f1)
while sleep 10 & wait $!; do
  now=$(du -sk {CACHE} | cut -f1)
  rate=$(( (now - before) / 10 ))
  line="$((now / 1024)) MiB downloaded, $((rate / 1024)) MiB/s"
  if [ "$TOTAL_MIB" -gt 0 ]; then
    line="$((now / 1024)) of about $TOTAL_MIB MiB downloaded, $((rate / 1024)) MiB/s"
    left=$((TOTAL_MIB * 1024 - now))
    if [ "$rate" -gt 0 ] && [ "$left" -gt 0 ]; then
      line="$line, about $((left / rate / 60 + 1)) min left"
    fi
  fi
  echo "$line"
  before=$now
done
"""
WAIT = f"""{LET_GO}until ls -A {CACHE} | grep -qv '^lost+found$'; do
  echo "{CACHE} is empty: fill this volume with the model's files"
  sleep 10 & wait $!
done
"""


def download(
    role: str,
    *,
    scope: Scope,
    image: str,
    environment: Mapping[str, str],
    profile: str | None,
    gpus: int,
    weights_mib: int | None,
    gpu: GpuPlace,
    key: str,
    pull_secrets: Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None,
    account: pulumi.Input[str],
    claim: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> k8s.batch.v1.Job:
    """Download a role's files; a new Job for a new image, profile or variable, else none.

    The only pod that gets the key. Without a profile it needs a GPU, to choose the one that fits.
    """
    name = download_name(role)
    arguments = ["download-to-cache", *(["-p", profile] if profile else [])]
    secret = core.EnvVarSourceArgs(secret_key_ref=core.SecretKeySelectorArgs(name=key, key=KEY))
    main = core.ContainerArgs(
        name="download",
        image=image,
        image_pull_policy="IfNotPresent",
        args=arguments,
        env=[
            *(
                core.EnvVarArgs(name=each, value=value)
                for each, value in {**environment, **scope.outward.environment}.items()
            ),
            core.EnvVarArgs(name=KEY, value_from=secret),
        ],
        resources=replace(DOWNLOADING, gpus=0 if profile else gpus).args(),
        security_context=restricted(writable_root=True),
        termination_message_policy="FallbackToLogsOnError",  # the cause is in the pod's status
        volume_mounts=[mount("cache", CACHE), mount("tmp", "/tmp"), *scope.outward.mounts],
    )
    progress = core.ContainerArgs(
        name="progress",
        image=image,
        image_pull_policy="IfNotPresent",
        restart_policy="Always",  # beside the download, and ended with it
        command=["/bin/sh", "-c", PROGRESS],
        env=[core.EnvVarArgs(name="TOTAL_MIB", value=str(weights_mib or 0))],
        resources=SMALL.args(),
        security_context=restricted(),
        volume_mounts=[mount("cache", CACHE, read_only=True)],
    )
    return filling_job(
        f"{role}-download",
        name=f"{name}-{fingerprint(image, profile, environment)}",
        label=name,
        role=role,
        scope=scope,
        account=account,
        gpu=gpu,
        pull_secrets=pull_secrets,
        init_containers=[progress],
        container=main,
        claim=claim,
        opts=opts,
    )


def download_name(role: str) -> str:
    """Return the name in the labels of a role's download, by which it is let out."""
    return f"{role}-download"


def fingerprint(image: str, profile: str | None, environment: Mapping[str, str]) -> str:
    """Return what changes when other files are to be downloaded."""
    text = json.dumps([image, profile, sorted(environment.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def wait_for_files(image: str) -> k8s.core.v1.ContainerArgs:
    """Hold the server back until somebody has filled its volume."""
    return core.ContainerArgs(
        name="wait-for-files",
        image=image,
        image_pull_policy="IfNotPresent",
        command=["/bin/sh", "-c", WAIT],
        resources=SMALL.args(),
        security_context=restricted(),
        volume_mounts=[mount("cache", CACHE, read_only=True)],
    )
