"""Helpers of a stack for the time of a load: an Indexed Job of the template that it has."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from stackyard.errors import Trouble
from stackyard.progress import Tell
from stackyard.project import Stack

TEMPLATE = "rag-bulk"  # a CronJob that never fires
Kube = dict[str, Any]  # Kubernetes' own JSON


def job_of(template: Kube, name: str) -> Kube:
    """Return a Job of a CronJob's template, as `kubectl create job --from` makes it."""
    metadata, made = template["metadata"], template["spec"]["jobTemplate"]
    owner = {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": made.get("metadata", {}).get("labels", {}),
            # else the CronJob counts it among its own and removes all but three
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [owner],
        },
        "spec": made["spec"],
    }


@contextmanager
def helpers(stack: Stack, environment: Mapping[str, str], tell: Tell) -> Iterator[int]:
    """Bring the stack's helpers up, yield how many are to be, and take them away again.

    The load does not wait for them, nor does it end where none comes up: the service itself works
    on the same queue. Killed, this leaves them to end by themselves when nothing is left to do.
    """
    kubectl = [*stack.kubectl, "--namespace", stack.app_namespace]

    def run(*arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            [*kubectl, *arguments],
            env=dict(environment),
            input=given,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    job = job_of(_template(run, stack), f"{TEMPLATE}-{int(time.time())}")
    name, wanted = job["metadata"]["name"], job["spec"]["parallelism"]
    run("create", "--filename", "-", given=json.dumps(job))
    tell(f"Job {name}: up to {wanted} helpers beside the service")
    try:
        yield int(wanted)
        status = json.loads(run("get", "job", name, "--output", "json")).get("status", {})
        came = status.get("ready", 0) + status.get("succeeded", 0)
        tell(f"{came} of {wanted} helpers were there at the end")
    finally:
        run("delete", "job", name, "--ignore-not-found", "--wait=false")


def _template(run: Callable[..., str], stack: Stack) -> Kube:
    try:
        found: Kube = json.loads(run("get", "cronjob", TEMPLATE, "--output", "json"))
    except subprocess.CalledProcessError as error:
        if "NotFound" not in str(error.stderr):
            raise
        message = f"stack {stack.name} has no helpers for bulk loads: app.bulkWorkers is 0"
        setting = f"pulumi config set --stack {stack.name} --path stackyard:app.bulkWorkers 4"
        raise Trouble(message, f"{setting}, then stackyard up --stack {stack.name}") from None
    return found
