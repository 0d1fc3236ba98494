"""A pod that only looks: whether a GPU node pulls our image, and whether a card is in it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from stackyard.checks.finding import Finding, ok, problem, unknown
from stackyard.kubernetes import Json, Kubernetes, Refused

NAME = "stackyard-doctor"
GPU = "nvidia.com/gpu"
USER = 65532
SECONDS = 300  # an image of a few 100 MB on a fresh node
POLL_SECONDS = 2.0
LOOK = "nvidia-smi -L >/dev/termination-log 2>&1"
PULL_ERRORS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
# where a node's mirrors, keys and certificates are kept so that a restart keeps them too
REGISTRIES = {
    "rke2": "/etc/rancher/rke2/registries.yaml on {node} (mirrors, configs), then systemctl "
    "restart rke2-agent; hosts.toml and config.toml are written anew at each start",
    "k3s": "/etc/rancher/k3s/registries.yaml on {node}, then systemctl restart k3s-agent",
    "containerd": "/etc/containerd/certs.d/HOST/hosts.toml on {node}, and registry.username",
}
RUNTIMES = {
    "rke2": "cluster.gpu.runtime: rke2, and no containerd template that leaves `nvidia` out: "
    "/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.tmpl on {node}",
    "k3s": "cluster.gpu.runtime: k3s, and no containerd template that leaves `nvidia` out: "
    "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl on {node}",
    "containerd": "cluster.gpu.preinstalled says what the nodes have; "
    "kubectl -n gpu-operator get pods",
}


def trial(
    cluster: Kubernetes,
    *,
    namespace: str,
    image: str,
    selector: Mapping[str, str],
    tolerations: Sequence[Json],
    runtime: str,
    seconds: float = SECONDS,
) -> Iterator[Finding]:
    """Run the pod, tell of its pull and its card, and remove it again."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    with suppress(Refused):  # of a run that was killed
        cluster.delete(f"{pods}/{NAME}")
    cluster.create(
        pods, manifest(namespace, image, selector, tolerations, _keys(cluster, namespace))
    )
    try:
        yield from _watch(cluster, f"{pods}/{NAME}", image, runtime, seconds)
    finally:
        with suppress(Refused):
            cluster.delete(f"{pods}/{NAME}?gracePeriodSeconds=0")


def manifest(
    namespace: str,
    image: str,
    selector: Mapping[str, str],
    tolerations: Sequence[Json],
    keys: Sequence[str],
) -> Json:
    """Return the pod, which the restricted Pod Security standard lets in."""
    container = {
        "name": "look",
        "image": image,
        "imagePullPolicy": "Always",  # the pull is what is tried
        "command": ["/bin/sh", "-c", LOOK],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi", GPU: "1"},
            "limits": {"cpu": "1", "memory": "256Mi", GPU: "1"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "stackyard"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": SECONDS,
            "restartPolicy": "Never",
            "nodeSelector": dict(selector),
            "tolerations": list(tolerations),
            "imagePullSecrets": [{"name": key} for key in keys],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def _keys(cluster: Kubernetes, namespace: str) -> list[str]:
    """Return the Secrets by which the namespace's pods pull; nothing where we may not look."""
    kind = "type%3Dkubernetes.io%2Fdockerconfigjson"
    try:
        found = cluster.items(f"/api/v1/namespaces/{namespace}/secrets?fieldSelector={kind}")
    except Refused:
        return []
    return [each["metadata"]["name"] for each in found]


def _watch(
    cluster: Kubernetes, path: str, image: str, runtime: str, seconds: float
) -> Iterator[Finding]:
    until = time.monotonic() + seconds
    pulled = False
    while True:
        pod = cluster.get(path)
        node = str(pod["spec"].get("nodeName") or "the node")
        state = _state(pod)
        waiting = state.get("waiting") or {}
        if waiting.get("reason") in PULL_ERRORS:
            why = "every pod there would wait in ImagePullBackOff"
            what = f"{node} does not pull {image}: {waiting.get('message', waiting['reason'])}"
            yield problem("pull by a node", what, why, REGISTRIES[runtime].format(node=node))
            return
        if not pulled and state.keys() & {"running", "terminated"}:
            pulled = True
            yield ok("pull by a node", f"{node}: {image}")
        if ended := state.get("terminated"):
            yield _card(node, runtime, ended)
            return
        if time.monotonic() > until:
            yield _late(pod, node)
            return
        time.sleep(POLL_SECONDS)


def _card(node: str, runtime: str, ended: Json) -> Finding:
    said = " ".join(str(ended.get("message") or "").split()) or f"exit {ended.get('exitCode')}"
    if ended.get("exitCode") == 0 and "GPU " in said:
        return ok("GPU in a pod", f"{node}: {said}")
    why = "a pod that asks for a card gets none, so a model ends at its start"
    return problem("GPU in a pod", f"{node}: {said}", why, RUNTIMES[runtime].format(node=node))


def _late(pod: Json, node: str) -> Finding:
    conditions = pod.get("status", {}).get("conditions") or []
    for each in conditions:
        if each["type"] == "PodScheduled" and each["status"] == "False":
            why = "a model would wait as long"
            fix = "a free GPU behind cluster.gpu.nodeSelector; kubectl get nodes --show-labels"
            return problem("GPU in a pod", str(each.get("message", "not scheduled")), why, fix)
    return unknown("GPU in a pod", f"{node} is still pulling; try again in a few minutes")


def _state(pod: Json) -> dict[str, Any]:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return dict(statuses[0].get("state") or {}) if statuses else {}
