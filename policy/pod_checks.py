"""What can be wrong with a pod and its containers, each check by itself."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from policy.rule import UNKNOWN, Body, Check, Resource, at, is_true, rows

SERVERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
PODS = ("Pod", *SERVERS, "Job", "CronJob")
NOT_FLOATING = re.compile(r"@sha256:[0-9a-f]{64}$|:(?!latest$)[\w][\w.-]*$")
SECRET_NAME = re.compile(r"(?i)(pass(word)?|secret|token|api_?key|credential)s?$")


def spec_of(resource: Resource) -> Body:
    """Return the pod's spec, wherever the kind keeps it."""
    inside = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
    found = at(resource.body, *inside.get(resource.kind, ("spec", "template", "spec")))
    return found if isinstance(found, dict) else {}


def containers(resource: Resource) -> Iterator[tuple[str, Body]]:
    """Yield each container with its name, those that run before the others too."""
    spec = spec_of(resource)
    for group in ("initContainers", "containers"):
        for each in rows(spec.get(group)):
            yield f"container {each.get('name', '?')}", each


def each_container(wrong: Callable[[Resource, Body], str | None]) -> Check:
    def check(resource: Resource) -> Iterator[str]:
        for name, container in containers(resource):
            if found := wrong(resource, container):
                yield f"{name} {found}"

    return check


def floating(_: Resource, container: Body) -> str | None:
    image = container.get("image", "")
    if image == UNKNOWN or NOT_FLOATING.search(image):
        return None
    return f"has the image {image!r}, which may be another one tomorrow"


def undigested(_: Resource, container: Body) -> str | None:
    image = container.get("image", "")
    return None if image == UNKNOWN or "@sha256:" in image else f"has the image {image!r}"


def foreign(resource: Resource, container: Body) -> str | None:
    registries, image = rows(resource.site.get("registries")), container.get("image", "")
    if not registries or image == UNKNOWN:
        return None
    if any(image.startswith(f"{each.rstrip('/')}/") for each in registries):
        return None
    return f"has the image {image!r}, from none of {', '.join(registries)}"


def unlimited(_: Resource, container: Body) -> str | None:
    wanted = [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
    absent = [
        ".".join(each) for each in wanted if at(container, "resources", *each) in (None, "", "0")
    ]
    return f"sets no {' and no '.join(absent)}" if absent else None


def unprobed(resource: Resource, container: Body) -> str | None:
    if container in rows(spec_of(resource).get("initContainers")):
        return None
    absent = [each for each in ("readinessProbe", "livenessProbe") if not container.get(each)]
    return f"has no {' and no '.join(absent)}" if absent else None


def of_either(resource: Resource, container: Body, key: str) -> Any:
    """Return what the container says of itself, else what its pod says of all."""
    own = at(container, "securityContext", key)
    return own if own is not None else at(spec_of(resource), "securityContext", key)


def root(resource: Resource, container: Body) -> str | None:
    if of_either(resource, container, "runAsUser") in (0, "0"):
        return "runs as user 0"
    if is_true(of_either(resource, container, "runAsNonRoot")):
        return None
    return "may run as root: runAsNonRoot is not true"


def escalates(_: Resource, container: Body) -> str | None:
    allowed = at(container, "securityContext", "allowPrivilegeEscalation")
    if allowed is False or allowed == UNKNOWN:
        return None
    return "may gain privileges: allowPrivilegeEscalation is not false"


def privileged(_: Resource, container: Body) -> str | None:
    on = at(container, "securityContext", "privileged") is True
    return "is privileged" if on else None


def capable(_: Resource, container: Body) -> str | None:
    dropped = at(container, "securityContext", "capabilities", "drop")
    added = rows(at(container, "securityContext", "capabilities", "add"))
    if set(added) - {"NET_BIND_SERVICE"}:
        return f"adds the capabilities {', '.join(added)}"
    kept = dropped != UNKNOWN and "ALL" not in rows(dropped)
    return "keeps the default capabilities" if kept else None


def writable(_: Resource, container: Body) -> str | None:
    fixed = is_true(at(container, "securityContext", "readOnlyRootFilesystem"))
    return None if fixed else "can write to its own image: readOnlyRootFilesystem is not true"


def unconfined(resource: Resource, container: Body) -> str | None:
    profile = at(of_either(resource, container, "seccompProfile"), "type")
    if profile in ("RuntimeDefault", "Localhost", UNKNOWN):
        return None
    return f"has the seccomp profile {profile or 'of nobody'}"


def tells(_: Resource, container: Body) -> str | None:
    told = [
        each.get("name", "?")
        for each in rows(container.get("env"))
        if each.get("value") and SECRET_NAME.search(each.get("name", ""))
    ]
    return f"has {', '.join(told)} as a literal in its environment" if told else None


def host_paths(resource: Resource) -> Iterator[str]:
    for volume in rows(spec_of(resource).get("volumes")):
        if volume.get("hostPath"):
            path = at(volume, "hostPath", "path")
            yield f"volume {volume.get('name')} is the node's own {path}"


def host_namespaces(resource: Resource) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec_of(resource).get(key) is True:
            yield f"{key} is true"
    for name, container in containers(resource):
        taken = [each["hostPort"] for each in rows(container.get("ports")) if each.get("hostPort")]
        if taken:
            yield f"{name} takes the node's port {', '.join(str(int(each)) for each in taken)}"


def token(resource: Resource) -> Iterator[str]:
    mounted = spec_of(resource).get("automountServiceAccountToken")
    if mounted is not False and mounted != UNKNOWN:
        yield "gets a token for the API server: automountServiceAccountToken is not false"


def links(resource: Resource) -> Iterator[str]:
    linked = spec_of(resource).get("enableServiceLinks")
    if linked is not False and linked != UNKNOWN:
        yield "gets the address of every Service as a variable: enableServiceLinks is not false"


def default_account(resource: Resource) -> Iterator[str]:
    if spec_of(resource).get("serviceAccountName") in (None, "", "default"):
        yield "runs under the service account default"
