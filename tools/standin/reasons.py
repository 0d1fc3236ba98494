"""Why pods are not ready, in the words of the kubelet, the scheduler and the events."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.standin.cluster import Cluster
from tools.standin.errors import StandInError
from tools.standin.objects import metadata, name_of
from tools.standin.secrecy import Redactor
from tools.standin.wire import Manifest

MAX_PODS = 3
MAX_EVENTS = 3
LOG_LINES = 8
LOG_BYTES = 4096
LINE_LENGTH = 300
# The log says what these do not.
CRASHED = frozenset({"CrashLoopBackOff", "Error", "StartError", "ContainerCannotRun", "Failed"})
STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Trouble:
    """One thing that keeps a pod from being ready."""

    pod: str
    code: str
    text: str
    container: str = ""
    restarted: bool = False


def selector_text(selector: Manifest) -> str:
    """Write a label selector as a query."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or []:
        key, values = term["key"], ",".join(term.get("values") or [])
        terms.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[term["operator"]]
        )
    return ",".join(terms)


def pods_of(cluster: Cluster, owner: Manifest) -> list[Manifest]:
    """Return the pods of the newest revision of a workload, of a job, or the pod itself."""
    if owner["kind"] == "Pod":
        return [owner]
    namespace = metadata(owner).get("namespace", "")
    spec = owner.get("spec") or {}
    if owner["kind"] == "Service":
        selector = {"matchLabels": spec.get("selector") or {}}
        return _selected(cluster, f"/api/v1/namespaces/{namespace}/pods", selector)
    selector = spec.get("selector") or {}
    if not selector:
        return []
    pods = _selected(cluster, f"/api/v1/namespaces/{namespace}/pods", selector)
    owners = {metadata(owner).get("uid")}
    if owner["kind"] == "Deployment":
        sets = _selected(cluster, f"/apis/apps/v1/namespaces/{namespace}/replicasets", selector)
        wanted = (metadata(owner).get("annotations") or {}).get(REVISION)
        owners = {
            metadata(item).get("uid")
            for item in sets
            if _owned(item, owners)
            and (metadata(item).get("annotations") or {}).get(REVISION) == wanted
        }
    return [pod for pod in pods if _owned(pod, owners)]


def _selected(cluster: Cluster, path: str, selector: Manifest) -> list[Manifest]:
    return cluster.listed(path, {"labelSelector": selector_text(selector)})


def _owned(item: Manifest, owners: set[str | None]) -> bool:
    return any(ref.get("uid") in owners for ref in metadata(item).get("ownerReferences") or [])


def pod_troubles(pod: Manifest) -> Iterator[Trouble]:
    """Yield what the pod's own status says."""
    name, status = name_of(pod), pod.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        text = f"{scheduled.get('reason', '')}: {scheduled.get('message', '')}"
        yield Trouble(name, scheduled.get("reason", "Unschedulable"), text)
    if status.get("phase") == "Failed":
        text = f"{status.get('reason', 'Failed')}: {status.get('message', 'the pod failed')}"
        yield Trouble(name, "Failed", text)
    for kind, field in (
        ("init container", "initContainerStatuses"),
        ("container", "containerStatuses"),
    ):
        for container in status.get(field) or []:
            yield from _container_troubles(name, kind, container)


def _container_troubles(pod: str, kind: str, container: Manifest) -> Iterator[Trouble]:
    name, state = container["name"], container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    restarted = bool(container.get("restartCount"))
    where = f'{kind} "{name}"'
    if waiting.get("reason", "") not in STARTING:
        text = f"{where}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
        if last:
            text += f" (last exit code {last.get('exitCode')}, {last.get('reason', 'Error')})"
        yield Trouble(pod, waiting["reason"], text, name, restarted)
    elif ended and ended.get("exitCode"):
        text = f"{where}: ended with exit code {ended['exitCode']}, {ended.get('reason', 'Error')}"
        if said := str(ended.get("message") or "").strip():
            text += f": {said[:LINE_LENGTH]}"
        yield Trouble(pod, "Error", text, name)
    elif state.get("running") and not container.get("ready") and kind == "container":
        text = f"{where}: runs but is not ready"
        if last:
            text += f" (last exit code {last.get('exitCode')}, {last.get('reason', 'Error')})"
        yield Trouble(pod, "NotReady", text, name, restarted)


def object_events(cluster: Cluster, item: Manifest) -> list[str]:
    """Return the object's latest warnings, newest last, each once."""
    namespace = metadata(item).get("namespace") or "default"
    events = cluster.listed(
        f"/api/v1/namespaces/{namespace}/events",
        {"fieldSelector": f"involvedObject.uid={metadata(item).get('uid')}"},
    )
    events = [event for event in events if event.get("type") == "Warning"]
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    said = dict.fromkeys(f"{e.get('reason', '')}: {e.get('message', '')}" for e in events)
    return list(said)[-MAX_EVENTS:]


def troubles(cluster: Cluster, owner: Manifest) -> list[Trouble]:
    """Return what keeps the pods of a workload from being ready."""
    return [trouble for pod in pods_of(cluster, owner) for trouble in pod_troubles(pod)]


def explained(cluster: Cluster, owner: Manifest, redactor: Redactor) -> list[str]:
    """Return the reasons as lines for a message: pods, their logs, the warnings."""
    try:
        return list(_explained(cluster, owner, redactor))
    except StandInError as error:
        return [redactor.clean(f"no reasons to be had: {error}")]


def _explained(cluster: Cluster, owner: Manifest, redactor: Redactor) -> Iterator[str]:
    for condition in (owner.get("status") or {}).get("conditions") or []:
        failed = condition["type"] in ("ReplicaFailure", "Failed", "FailureTarget")
        if failed and condition["status"] == "True":
            yield redactor.clean(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    pods = pods_of(cluster, owner) if owner["kind"] not in ("PersistentVolumeClaim",) else []
    not_ready = [pod for pod in pods if not is_ready(pod)]
    for pod in not_ready[:MAX_PODS]:
        found = list(pod_troubles(pod))
        for trouble in found:
            yield redactor.clean(f"pod {trouble.pod}: {trouble.text}"[: LINE_LENGTH * 2])
            yield from _log(cluster, pod, trouble, redactor)
        # a pod's status often only says "starting"; the events say why it stays so
        if not any(trouble.code in CRASHED for trouble in found):
            for event in object_events(cluster, pod):
                if not any(event.partition(": ")[2] in trouble.text for trouble in found):
                    yield redactor.clean(f"pod {name_of(pod)}: {event}"[: LINE_LENGTH * 2])
    if len(not_ready) > MAX_PODS:
        yield f"and {len(not_ready) - MAX_PODS} more pods"
    if owner["kind"] == "Service" and not pods:
        labels = selector_text({"matchLabels": (owner.get("spec") or {}).get("selector") or {}})
        yield f"no pod has the labels that the selector asks for: {labels}"
    elif owner["kind"] != "Pod":
        for event in object_events(cluster, owner):
            yield redactor.clean(event[: LINE_LENGTH * 2])


def is_ready(pod: Manifest) -> bool:
    """Tell whether the pod serves, or has done its work."""
    status = pod.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
    return status.get("phase") == "Succeeded" or conditions.get("Ready") == "True"


def _log(cluster: Cluster, pod: Manifest, trouble: Trouble, redactor: Redactor) -> Iterator[str]:
    crashed = trouble.code in CRASHED or (trouble.code == "NotReady" and trouble.restarted)
    if not crashed or not trouble.container:
        return
    path = f"/api/v1/namespaces/{metadata(pod)['namespace']}/pods/{trouble.pod}/log"
    query = {
        "container": trouble.container,
        "tailLines": str(LOG_LINES),
        "limitBytes": str(LOG_BYTES),
    }
    if trouble.restarted:
        query["previous"] = "true"
    try:
        text = cluster.text(path, query)
    except StandInError as error:
        yield redactor.clean(f"  (no log: {str(error)[:LINE_LENGTH]})")
        return
    for line in text.splitlines()[-LOG_LINES:]:
        yield f"  | {redactor.clean_log(line)[:LINE_LENGTH]}"
