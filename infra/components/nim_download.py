"""The Job that downloads a NIM's model files before its server starts, and tells how far it is."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.filling_job import CACHE, filling_job
from infra.components.pod import Resources, mount, restricted
from infra.components.scope import Scope

KEY = "NGC_API_KEY"  # also the key in the Secret
# of the pod of a server: which files it was started with
FILES = "stackyard/files"
# parts of the names of variables that say which files are downloaded, or from where
OF_FILES = re.compile(
    r"MODEL|PROFILE|REPOSITORY|STORE|REVISION|PRECISION|PARALLEL|ENGINE|TAGS|MANIFEST|PROVIDER|"
    r"PEFT|LORA|DOWNLOAD|CACHE_PATH|ENDPOINT|^HF_"
)
# which match, and say nothing of files
OF_SERVERS = {
    "NIM_SERVED_MODEL_NAME",
    "NIM_MAX_MODEL_LEN",
    "NIM_DISABLE_MODEL_DOWNLOAD",
    "NIM_IGNORE_MODEL_DOWNLOAD_FAIL",
    "HF_TOKEN",
}
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
    """Download a role's files; a new Job for a new image, profile or place of files, else none.

    The only pod that gets the key. Without a profile it needs a GPU, to choose the one that fits.
    """
    name, files = download_name(role), fingerprint(image, profile, environment)
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
        name=f"{name}-{files}",
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
    """Return what changes when other files are to be downloaded, and with nothing else."""
    named = sorted(
        (name, value)
        for name, value in environment.items()
        if OF_FILES.search(name) and name not in OF_SERVERS
    )
    text = json.dumps([image, profile, named])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def told_of_a_wait(role: str, namespace: str, files: str) -> pulumi.ResourceHookBinding:
    """Let a preview say that a download is to run anew on a GPU, which its server may hold.

    Bound to the update of the server, whose pod has the fingerprint of its files: the engine tells
    a program of no other way that something is there already.
    """

    def tell(args: pulumi.ResourceHookArgs) -> None:
        before = (args.old_inputs or {})["spec"]["template"]["metadata"].get("annotations") or {}
        if pulumi.runtime.is_dry_run() and before.get(FILES) != files:
            pulumi.log.warn(
                f"{download_name(role)} runs anew, and without models.{role}.profile on a GPU: "
                "where the servers hold all of them it waits for hours, and nothing else of "
                f"{role} goes on\n"
                f"hint: set models.{role}.profile, then it needs none (stackyard plan names it), "
                f"or before `up`: kubectl scale -n {namespace} deployment/{role} --replicas=0"
            )

    hook = pulumi.ResourceHook(
        f"{role}-download-wait", tell, pulumi.ResourceHookOptions(on_dry_run=True)
    )
    return pulumi.ResourceHookBinding(before_update=[hook])


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
