"""Rules over every pod that a stack declares: what runs in it, and as whom."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from policy.rule import UNKNOWN, Body, Check, Resource, Rule, at, is_true, rows

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


def _each_container(wrong: Callable[[Resource, Body], str | None]) -> Check:
    def check(resource: Resource) -> Iterator[str]:
        for name, container in containers(resource):
            if found := wrong(resource, container):
                yield f"{name} {found}"

    return check


def _floating(_: Resource, container: Body) -> str | None:
    image = container.get("image", "")
    if image == UNKNOWN or NOT_FLOATING.search(image):
        return None
    return f"has the image {image!r}, which may be another one tomorrow"


def _undigested(_: Resource, container: Body) -> str | None:
    image = container.get("image", "")
    return None if image == UNKNOWN or "@sha256:" in image else f"has the image {image!r}"


def _foreign(resource: Resource, container: Body) -> str | None:
    registries, image = rows(resource.site.get("registries")), container.get("image", "")
    if not registries or image == UNKNOWN:
        return None
    if any(image.startswith(f"{each.rstrip('/')}/") for each in registries):
        return None
    return f"has the image {image!r}, from none of {', '.join(registries)}"


def _unlimited(_: Resource, container: Body) -> str | None:
    wanted = [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
    absent = [
        ".".join(each) for each in wanted if at(container, "resources", *each) in (None, "", "0")
    ]
    return f"sets no {' and no '.join(absent)}" if absent else None


def _unprobed(resource: Resource, container: Body) -> str | None:
    if container in rows(spec_of(resource).get("initContainers")):
        return None
    absent = [each for each in ("readinessProbe", "livenessProbe") if not container.get(each)]
    return f"has no {' and no '.join(absent)}" if absent else None


def _of_either(resource: Resource, container: Body, key: str) -> Any:
    """Return what the container says of itself, else what its pod says of all."""
    own = at(container, "securityContext", key)
    return own if own is not None else at(spec_of(resource), "securityContext", key)


def _root(resource: Resource, container: Body) -> str | None:
    if _of_either(resource, container, "runAsUser") in (0, "0"):
        return "runs as user 0"
    if is_true(_of_either(resource, container, "runAsNonRoot")):
        return None
    return "may run as root: runAsNonRoot is not true"


def _escalates(_: Resource, container: Body) -> str | None:
    allowed = at(container, "securityContext", "allowPrivilegeEscalation")
    if allowed is False or allowed == UNKNOWN:
        return None
    return "may gain privileges: allowPrivilegeEscalation is not false"


def _privileged(_: Resource, container: Body) -> str | None:
    on = at(container, "securityContext", "privileged") is True
    return "is privileged" if on else None


def _capable(_: Resource, container: Body) -> str | None:
    dropped = at(container, "securityContext", "capabilities", "drop")
    added = rows(at(container, "securityContext", "capabilities", "add"))
    if set(added) - {"NET_BIND_SERVICE"}:
        return f"adds the capabilities {', '.join(added)}"
    kept = dropped != UNKNOWN and "ALL" not in rows(dropped)
    return "keeps the default capabilities" if kept else None


def _writable(_: Resource, container: Body) -> str | None:
    fixed = is_true(at(container, "securityContext", "readOnlyRootFilesystem"))
    return None if fixed else "can write to its own image: readOnlyRootFilesystem is not true"


def _unconfined(resource: Resource, container: Body) -> str | None:
    profile = at(_of_either(resource, container, "seccompProfile"), "type")
    if profile in ("RuntimeDefault", "Localhost", UNKNOWN):
        return None
    return f"has the seccomp profile {profile or 'of nobody'}"


def _tells(_: Resource, container: Body) -> str | None:
    told = [
        each.get("name", "?")
        for each in rows(container.get("env"))
        if each.get("value") and SECRET_NAME.search(each.get("name", ""))
    ]
    return f"has {', '.join(told)} as a literal in its environment" if told else None


def _host_paths(resource: Resource) -> Iterator[str]:
    for volume in rows(spec_of(resource).get("volumes")):
        if volume.get("hostPath"):
            path = at(volume, "hostPath", "path")
            yield f"volume {volume.get('name')} is the node's own {path}"


def _host_namespaces(resource: Resource) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec_of(resource).get(key) is True:
            yield f"{key} is true"
    for name, container in containers(resource):
        taken = [each["hostPort"] for each in rows(container.get("ports")) if each.get("hostPort")]
        if taken:
            yield f"{name} takes the node's port {', '.join(str(int(each)) for each in taken)}"


def _token(resource: Resource) -> Iterator[str]:
    mounted = spec_of(resource).get("automountServiceAccountToken")
    if mounted is not False and mounted != UNKNOWN:
        yield "gets a token for the API server: automountServiceAccountToken is not false"


def _links(resource: Resource) -> Iterator[str]:
    linked = spec_of(resource).get("enableServiceLinks")
    if linked is not False and linked != UNKNOWN:
        yield "gets the address of every Service as a variable: enableServiceLinks is not false"


def _default_account(resource: Resource) -> Iterator[str]:
    if spec_of(resource).get("serviceAccountName") in (None, "", "default"):
        yield "runs under the service account default"


RULES = (
    Rule(
        "image-not-floating",
        PODS,
        "An image without tag, or tagged latest, is another one after the next restart.",
        "name a version, or better a digest",
        _each_container(_floating),
        also=("kube-linter latest-tag", "Polaris tagNotSpecified"),
    ),
    Rule(
        "image-by-digest",
        PODS,
        "A tag can be moved; a digest is the image that was looked at.",
        "name the image by its sha256 digest",
        _each_container(_undigested),
        advisory=True,
        also=("checkov CKV_K8S_43",),
    ),
    Rule(
        "image-from-our-registries",
        PODS,
        "What is pulled from elsewhere was not scanned, and is not there when sealed off.",
        "mirror it and set registry.host, or add its registry to the rule's `registries`",
        _each_container(_foreign),
        settings={"registries": {"type": "array", "items": {"type": "string"}, "default": []}},
    ),
    Rule(
        "limits-set",
        PODS,
        "A pod without limits takes the memory of all the others on its node.",
        "set requests for CPU and memory and a limit for memory",
        _each_container(_unlimited),
        also=(
            "kube-linter unset-memory-requirements",
            "Polaris memoryLimitsMissing",
            "NSA/CISA pod security",
        ),
    ),
    Rule(
        "probes-set",
        SERVERS,
        "Without probes a hung server keeps getting requests.",
        "set both; stackyard's own servers answer /healthz and /readyz",
        _each_container(_unprobed),
        also=("kube-linter no-liveness-probe", "Polaris readinessProbeMissing"),
    ),
    Rule(
        "non-root",
        PODS,
        "Root in a container is root on the node after one kernel bug.",
        "set runAsNonRoot: true and a user other than 0",
        _each_container(_root),
        also=("kube-linter run-as-non-root", "Polaris runAsRootAllowed", "NSA/CISA pod security"),
    ),
    Rule(
        "no-privilege-escalation",
        PODS,
        "A set-uid file in the image would give a process more rights than its pod has.",
        "set allowPrivilegeEscalation: false",
        _each_container(_escalates),
        also=("kube-linter privilege-escalation-container", "Polaris privilegeEscalationAllowed"),
    ),
    Rule(
        "not-privileged",
        PODS,
        "A privileged container owns its node, and with it every pod there.",
        "take privileged away and add the one capability that is needed",
        _each_container(_privileged),
        also=(
            "kube-linter privileged-container",
            "Polaris runAsPrivileged",
            "NSA/CISA pod security",
        ),
    ),
    Rule(
        "capabilities-dropped",
        PODS,
        "The default set lets a process forge packets and change the owners of files.",
        "set capabilities.drop: [ALL]",
        _each_container(_capable),
        also=("kube-linter drop-net-raw-capability", "Polaris insecureCapabilities"),
    ),
    Rule(
        "read-only-root",
        PODS,
        "An intruder cannot leave a program behind where nothing can be written.",
        "set readOnlyRootFilesystem: true and mount an emptyDir where it writes",
        _each_container(_writable),
        also=(
            "kube-linter no-read-only-root-fs",
            "Polaris notReadOnlyRootFilesystem",
            "NSA/CISA pod security",
        ),
    ),
    Rule(
        "seccomp-set",
        PODS,
        "The runtime's profile takes away some 60 system calls that no server needs.",
        "set seccompProfile.type: RuntimeDefault",
        _each_container(_unconfined),
        also=("checkov CKV_K8S_31", "NSA/CISA pod security"),
    ),
    Rule(
        "no-secret-in-environment",
        PODS,
        "A literal is in the state, in `kubectl describe` and in every crash report.",
        "put it into a Secret and mount that as a file",
        _each_container(_tells),
        also=("kube-linter env-var-secret", "Polaris sensitiveContainerEnvVar"),
    ),
    Rule(
        "no-host-path",
        PODS,
        "A folder of the node outlives the pod and is open to whoever comes next.",
        "use a PersistentVolumeClaim or an emptyDir",
        _host_paths,
        also=("kube-linter sensitive-host-mounts", "Polaris hostPathSet", "NSA/CISA pod security"),
    ),
    Rule(
        "no-host-namespaces",
        PODS,
        "On the node's network no NetworkPolicy holds.",
        "take it away and publish a Service",
        _host_namespaces,
        also=("kube-linter host-network", "Polaris hostNetworkSet", "NSA/CISA pod security"),
    ),
    Rule(
        "no-api-token",
        PODS,
        "A token that nothing uses is one that only an intruder uses.",
        "set automountServiceAccountToken: false",
        _token,
        also=(
            "Polaris automountServiceAccountToken",
            "checkov CKV_K8S_38",
            "NSA/CISA pod security",
        ),
    ),
    Rule(
        "no-service-links",
        PODS,
        "A Service named hayhooks would set HAYHOOKS_PORT=tcp://... and stop the app.",
        "set enableServiceLinks: false",
        _links,
    ),
    Rule(
        "own-service-account",
        PODS,
        "Rights given to `default` are rights of every pod in the namespace.",
        "make a ServiceAccount for it and name it",
        _default_account,
        also=("kube-linter default-service-account", "checkov CKV_K8S_41"),
    ),
)
