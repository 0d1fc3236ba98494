"""How far the models of a stack have come: nodes, driver, pull, weights, ready, and what is stuck.

Read from Kubernetes objects and events alone; what an event said longer than an hour ago is gone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from stackyard.checks.causes import explain
from stackyard.checks.cluster import is_ready
from stackyard.checks.nodes import GPU, gpu_nodes
from stackyard.kubernetes import Json, Kubernetes

State = Literal["done", "running", "stuck", "waiting"]
PULL_ERRORS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
OPERATOR = "gpu-operator"


@dataclass(frozen=True)
class Stage:
    """One stage of one subject; seconds since the stage before, where both times are known."""

    stage: str
    subject: str
    state: State
    seconds: float | None = None
    cause: str = ""
    fix: str = ""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def timeline(cluster: Kubernetes, namespace: str, selector: Mapping[str, str]) -> Iterator[Stage]:
    """Yield the stages in their order; nothing where the namespace has no pods."""
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods")
    if not pods:
        return
    nodes = gpu_nodes(cluster, selector)
    yield from _nodes(nodes)
    yield from _driver(cluster, nodes)
    events = cluster.items(f"/api/v1/namespaces/{namespace}/events")
    for pod in sorted(pods, key=lambda each: str(each["metadata"].get("creationTimestamp"))):
        said = _about(events, pod)
        if _owned_by(pod, "NIMCache"):
            yield _pull(pod, said)  # of the NIM operator: it only reads the image's profiles
        elif _owned_by(pod, "Job"):
            yield from _job_stages(cluster, pod, said)
        else:
            yield from _server_stages(pod, said)
    for claim in cluster.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"):
        if claim["status"].get("phase") == "Pending":
            yield _claim(claim, _about(events, claim))


def _nodes(nodes: Iterable[Json]) -> Iterator[Stage]:
    found = list(nodes)
    if not found:
        fix = "kubectl get nodes --show-labels; the pool's limits and quota: stackyard doctor"
        yield Stage("nodes", "GPU nodes", "stuck", cause="there is none", fix=fix)
    for node in found:
        name = node["metadata"]["name"]
        made = node["metadata"].get("creationTimestamp")
        if is_ready(node):
            yield Stage("nodes", name, "done", _between(made, _since(node, "Ready")))
        else:
            said = [
                str(each.get("message", ""))
                for each in node["status"].get("conditions") or []
                if each["type"] == "Ready"
            ]
            cause = said[0] if said else "it has not said that it is Ready"
            yield Stage("nodes", name, "stuck", cause=cause, fix=f"kubectl describe node {name}")


def _driver(cluster: Kubernetes, nodes: Iterable[Json]) -> Iterator[Stage]:
    operator: list[Json] | None = None
    for node in nodes:
        name = node["metadata"]["name"]
        resources = node["status"].get("allocatable", {})
        if any(key.startswith("nvidia.com/") and value != "0" for key, value in resources.items()):
            yield Stage("driver", name, "done")
            continue
        if operator is None:
            operator = cluster.items(f"/api/v1/namespaces/{OPERATOR}/pods")
        there = [pod for pod in operator if pod["spec"].get("nodeName") == name]
        stuck = next((pair for pod in there if (pair := _why_not(pod))), None)
        fix = f"kubectl -n {OPERATOR} get pods --field-selector spec.nodeName={name}"
        if stuck:
            yield Stage("driver", name, "stuck", cause=stuck, fix=fix)
        elif there:
            yield Stage("driver", name, "running", cause="the operator's pods are starting")
        else:
            cause = f"no pod of {OPERATOR} is on it, so it has no {GPU}"
            fix = f"kubectl -n {OPERATOR} get pods; kubectl get node {name} --show-labels"
            yield Stage("driver", name, "stuck", cause=cause, fix=fix)


def _job_stages(cluster: Kubernetes, pod: Json, events: list[Json]) -> Iterator[Stage]:
    """Yield pull and weights of a download's pod."""
    pull = _pull(pod, events)
    yield pull
    if pull.state != "done":
        return
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    main, phase = pod["spec"]["containers"][0]["name"], pod["status"].get("phase")
    if phase == "Succeeded":
        seconds = _between(pod["status"].get("startTime"), _ended(pod))
        yield Stage("weights", name, "done", seconds)
    elif phase == "Failed" or (said := _why_not(pod)):
        said = _why_not(pod) or "the download failed"
        cause, fix = explain(said)
        logs = f"kubectl -n {namespace} logs {name} -c {main}"
        yield Stage("weights", name, "stuck", cause=cause, fix=f"{fix}; {logs}" if fix else logs)
    else:
        beside = [each["name"] for each in pod["spec"].get("initContainers") or []]
        told = "progress" if "progress" in beside else main
        logs = f"kubectl -n {namespace} logs {name} -c {told} -f"
        said = cluster.last_line(namespace, name, told)
        yield Stage("weights", name, "running", cause=said, fix=logs)


def _server_stages(pod: Json, events: list[Json]) -> Iterator[Stage]:
    """Yield pull and ready of a server's pod."""
    pull = _pull(pod, events)
    yield pull
    if pull.state != "done":
        return
    name = pod["metadata"]["name"]
    if is_ready(pod):
        yield Stage("ready", name, "done", _between(_started(pod), _since(pod, "Ready")))
        return
    logs = f"kubectl -n {pod['metadata']['namespace']} logs {name} --previous"
    said = _why_not(pod)
    if said:
        cause, fix = explain(said)
        yield Stage("ready", name, "stuck", cause=cause, fix=f"{fix}; {logs}" if fix else logs)
    else:
        waits = _last(events, "Unhealthy")
        yield Stage("ready", name, "running", cause=waits or "it loads its model")


def _pull(pod: Json, events: list[Json]) -> Stage:
    """Return the stage from the pod's creation to its images, scheduling included."""
    name, status = pod["metadata"]["name"], pod["status"]
    made = pod["metadata"].get("creationTimestamp")
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            text = str(condition.get("message", "it is not scheduled"))
            cause, fix = explain(text)
            return Stage(
                "pull", name, "stuck", cause=cause, fix=fix or f"kubectl describe pod {name}"
            )
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in PULL_ERRORS:
            text = _last(events, "Failed") or str(waiting.get("message", waiting["reason"]))
            cause, fix = explain(text)
            return Stage("pull", name, "stuck", cause=cause, fix=fix)
    if any(container.get("imageID") for container in _containers(pod)):
        return Stage("pull", name, "done", _between(made, _pulled(events) or _started(pod)))
    if failed := _last(events, "FailedMount") or _last(events, "FailedAttachVolume"):
        return Stage("pull", name, "stuck", cause=failed, fix="kubectl get pvc,volumeattachment -A")
    return Stage("pull", name, "running", cause=_last(events, "Pulling") or "waiting for the node")


def _claim(claim: Json, events: list[Json]) -> Stage:
    name = claim["metadata"]["name"]
    failed = _last(events, "ProvisioningFailed") or _last(events, "FailedBinding")
    if failed:
        return Stage("weights", name, "stuck", cause=failed, fix="stackyard doctor (StorageClass)")
    return Stage("weights", name, "waiting", cause="its volume is made with its first pod")


def _why_not(pod: Json) -> str:
    """Return what the kubelet says of a container that waits or ended badly; empty where fine."""
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting") or {}
        ended = container.get("state", {}).get("terminated") or {}
        last = (container.get("lastState") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return _end(ended)
        if waiting.get("reason") in (None, "", "ContainerCreating", "PodInitializing"):
            continue
        return f"{waiting['reason']}: {_end(last) or waiting.get('message', '')}".rstrip(": ")
    return ""


def _end(terminated: Json) -> str:
    if not terminated:
        return ""
    if terminated.get("reason") == "OOMKilled":
        return "the container passed its memory limit (OOMKilled)"
    return str(terminated.get("message") or f"exit code {terminated.get('exitCode')}").strip()


def _containers(pod: Json) -> list[Json]:
    status = pod["status"]
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _owned_by(pod: Json, kind: str) -> bool:
    return any(each["kind"] == kind for each in pod["metadata"].get("ownerReferences") or [])


def _about(events: Iterable[Json], item: Json) -> list[Json]:
    name = item["metadata"]["name"]
    mine = [each for each in events if each.get("involvedObject", {}).get("name") == name]
    return sorted(mine, key=_when)


def _when(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _last(events: list[Json], reason: str) -> str:
    found = [str(each.get("message", "")) for each in events if each.get("reason") == reason]
    return found[-1] if found else ""


def _pulled(events: list[Json]) -> str | None:
    found = [_when(each) for each in events if each.get("reason") == "Pulled"]
    return found[-1] if found and found[-1] else None


def _since(item: Json, condition: str) -> str | None:
    conditions = item.get("status", {}).get("conditions") or []
    found = [each.get("lastTransitionTime") for each in conditions if each["type"] == condition]
    return found[0] if found else None


def _started(pod: Json) -> str | None:
    running = [
        (container.get("state", {}).get("running") or {}).get("startedAt")
        for container in pod["status"].get("containerStatuses") or []
    ]
    return next((each for each in running if each), None)


def _ended(pod: Json) -> str | None:
    ended = [
        (container.get("state", {}).get("terminated") or {}).get("finishedAt")
        for container in pod["status"].get("containerStatuses") or []
    ]
    return next((each for each in ended if each), None)


def _between(begin: str | None, end: str | None) -> float | None:
    if not begin or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
