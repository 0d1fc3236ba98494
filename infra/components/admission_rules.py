"""The rules of policy/ that the API server itself can hold pods to, in its language CEL.

`spec` is the pod's, `containers` are all of its containers; tests hold each rule against the
same objects as its namesake in policy/pods.py, through a real API server.
"""

from dataclasses import dataclass

# where a kind keeps its pod
SPEC = (
    "object.kind == 'Pod' ? object.spec : "
    "object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template.spec : "
    "object.spec.template.spec"
)
CONTAINERS = (
    "variables.spec.containers + "
    "(has(variables.spec.initContainers) ? variables.spec.initContainers : [])"
)


@dataclass(frozen=True)
class AdmissionRule:
    """One rule; `keeps` is the CEL expression that is true where it is kept."""

    name: str
    message: str
    keeps: str


def _each(expression: str) -> str:
    return f"variables.containers.all(c, {expression})"


def _context(key: str) -> str:
    """Return a test for a key in a container's own security context."""
    return f"has(c.securityContext) && has(c.securityContext.{key})"


def _pod_context(key: str) -> str:
    has_any = "has(variables.spec.securityContext)"
    return f"{has_any} && has(variables.spec.securityContext.{key})"


RULES = (
    AdmissionRule(
        "image-not-floating",
        "an image has no tag, or the tag latest: name a version, or better a digest",
        _each(
            "c.image.contains('@sha256:') || "
            "(c.image.matches(':[A-Za-z0-9_][A-Za-z0-9_.-]*$') && !c.image.endsWith(':latest'))"
        ),
    ),
    AdmissionRule(
        "limits-set",
        "a container has no requests, or no limit of memory",
        _each(
            "has(c.resources) && has(c.resources.requests) && has(c.resources.limits)"
            " && 'cpu' in c.resources.requests && 'memory' in c.resources.requests"
            " && 'memory' in c.resources.limits"
        ),
    ),
    AdmissionRule(
        "non-root",
        "a container may run as root: set runAsNonRoot: true and a user other than 0",
        _each(
            f"!({_context('runAsUser')} && c.securityContext.runAsUser == 0) && "
            f"({_context('runAsNonRoot')} ? c.securityContext.runAsNonRoot : "
            f"({_pod_context('runAsNonRoot')} && variables.spec.securityContext.runAsNonRoot))"
        ),
    ),
    AdmissionRule(
        "not-privileged",
        "a container is privileged: take it away and add the one capability that is needed",
        _each(f"!({_context('privileged')} && c.securityContext.privileged)"),
    ),
    AdmissionRule(
        "no-privilege-escalation",
        "a container may gain privileges: set allowPrivilegeEscalation: false",
        _each(
            f"{_context('allowPrivilegeEscalation')} && !c.securityContext.allowPrivilegeEscalation"
        ),
    ),
    AdmissionRule(
        "capabilities-dropped",
        "a container keeps or adds capabilities: set capabilities.drop: [ALL]",
        _each(
            f"{_context('capabilities')} && has(c.securityContext.capabilities.drop)"
            " && 'ALL' in c.securityContext.capabilities.drop"
            " && (!has(c.securityContext.capabilities.add)"
            " || c.securityContext.capabilities.add.all(a, a == 'NET_BIND_SERVICE'))"
        ),
    ),
    AdmissionRule(
        "seccomp-set",
        "a container has no seccomp profile: set seccompProfile.type: RuntimeDefault",
        _each(
            f"{_context('seccompProfile')}"
            " ? c.securityContext.seccompProfile.type in ['RuntimeDefault', 'Localhost'] : "
            f"({_pod_context('seccompProfile')} && variables.spec.securityContext"
            ".seccompProfile.type in ['RuntimeDefault', 'Localhost'])"
        ),
    ),
    AdmissionRule(
        "no-secret-in-environment",
        "a container has a secret as a literal: put it into a Secret and mount that as a file",
        _each(
            "!has(c.env) || c.env.all(e, !has(e.value) || e.value == '' || !e.name.lowerAscii()"
            ".matches('(pass(word)?|secret|token|api_?key|credential)s?$'))"
        ),
    ),
    AdmissionRule(
        "no-host-path",
        "a volume is a path of the node: use a PersistentVolumeClaim or an emptyDir",
        "!has(variables.spec.volumes) || variables.spec.volumes.all(v, !has(v.hostPath))",
    ),
    AdmissionRule(
        "no-host-namespaces",
        "the pod uses the node's network, processes or ports: publish a Service instead",
        "!(has(variables.spec.hostNetwork) && variables.spec.hostNetwork)"
        " && !(has(variables.spec.hostPID) && variables.spec.hostPID)"
        " && !(has(variables.spec.hostIPC) && variables.spec.hostIPC) && "
        + _each(
            "!has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0)",
        ),
    ),
    AdmissionRule(
        "no-api-token",
        "the pod gets a token for the API server: set automountServiceAccountToken: false",
        "has(variables.spec.automountServiceAccountToken)"
        " && !variables.spec.automountServiceAccountToken",
    ),
    AdmissionRule(
        "no-service-links",
        "the pod gets the address of every Service: set enableServiceLinks: false",
        "has(variables.spec.enableServiceLinks) && !variables.spec.enableServiceLinks",
    ),
    AdmissionRule(
        "own-service-account",
        "the pod runs under the service account default: make one for it and name it",
        "has(variables.spec.serviceAccountName) && variables.spec.serviceAccountName != 'default'",
    ),
)
