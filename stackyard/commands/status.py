"""`stackyard status`: what runs, where it answers, and what is missing."""

import json
import shutil
import subprocess
from typing import Any

import httpx
import typer

from stackyard import machine, show
from stackyard.client import Service
from stackyard.cluster import LocalCluster
from stackyard.commands.options import AsJson, MaybeStack
from stackyard.engine import Engine
from stackyard.errors import NotThere, ServiceError
from stackyard.progress import out
from stackyard.project import Stack, find
from stackyard.replies import Json
from stackyard.serving import state
from stackyard.target import DEFAULT_STACK, Target, from_outputs
from tools.paths import machine_file


def status(stack: MaybeStack = None, as_json: AsJson = False) -> None:
    """Show the stack, its cluster, pods, images, ports, URL and documents."""
    serving = state.running() if stack is None else None
    if serving is not None:
        found: Json = {"serve": {"pid": serving.pid, "ports": serving.ports}}
        found |= _service(Target(serving.url, serving.key, "serve", ""))
    else:
        found = _stack(find(stack or DEFAULT_STACK))
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        show.status(out(), found)
    if not found.get("ready"):
        raise typer.Exit(1)


def _stack(stack: Stack) -> Json:
    environment = machine.environment(stack)
    found: Json = {"stack": stack.name, "cluster": stack.cluster_kind, "ready": False}
    if shutil.which("pulumi", path=environment["PATH"]) is None:
        return {**found, "missing": ["it was never brought up here: stackyard up"]}
    if stack.is_local:
        found |= {"ports": stack.ports, "containers": _containers(stack, environment)}
        found |= {"network policies": _enforcement()}
    outputs = Engine(stack, environment).outputs()
    if not isinstance(outputs.get("url"), str):
        return {**found, "missing": [f"it is not up: stackyard up --stack {stack.name}"]}
    found |= {"inventory": outputs.get("inventory") or []}
    found |= _service(from_outputs(stack, outputs))
    return found | {"pods": _pods(stack, environment)}


def _containers(stack: Stack, environment: dict[str, str]) -> Json:
    cluster = LocalCluster(stack, environment)
    if not cluster.docker_answers():
        return {"docker": "stopped"}
    every = cluster.nodes() + cluster.registry()
    return {each.name: "running" if each.running else "stopped" for each in every}


def _enforcement() -> str:
    """Say whether the network plugin of this machine's nodes enforces NetworkPolicy."""
    try:
        enforced = json.loads(machine_file().read_text())["networkPolicyEnforced"]
    except (OSError, ValueError, KeyError):
        return "not known before the first up"
    return "enforced" if enforced else "not enforced: this machine's node image has no kindnetd"


def _service(target: Target) -> Json:
    url = target.url
    with Service(url, target.key, timeout=10, trust=target.trust) as service:
        try:
            missing = service.ready()
            documents = [document.name for document in service.documents()] if not missing else []
        except (NotThere, ServiceError, httpx.HTTPError, ValueError) as error:
            return {"url": url, "ready": False, "missing": [str(error).partition("\n")[0]]}
    return {"url": url, "ready": not missing, "missing": missing, "documents": documents}


def _pods(stack: Stack, environment: dict[str, str]) -> list[Json]:
    pods: list[Json] = []
    for namespace in (stack.app_namespace, stack.models_namespace):
        asked = [*stack.kubectl, "get", "pods", "--namespace", namespace, "--output", "json"]
        done = subprocess.run(
            [*asked, "--request-timeout=10s"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pods.append({"namespace": namespace, "error": done.stderr.strip()[-200:]})
            continue
        pods += [_pod(namespace, item) for item in json.loads(done.stdout)["items"]]
    return pods


def _pod(namespace: str, item: dict[str, Any]) -> Json:  # Kubernetes' own JSON
    statuses = item["status"].get("containerStatuses") or []
    waiting = [
        each["state"]["waiting"].get("reason", "")
        for each in statuses
        if "waiting" in each["state"]
    ]
    return {
        "namespace": namespace,
        "name": item["metadata"]["name"],
        "phase": waiting[0] if waiting else item["status"].get("phase", ""),
        "ready": f"{sum(1 for each in statuses if each['ready'])}/{len(statuses)}",
        "restarts": sum(each["restartCount"] for each in statuses),
    }
