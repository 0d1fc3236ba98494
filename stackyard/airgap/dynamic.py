"""The proof on a running cluster: pods of a sealed stack try to get out, a pod beside it can.

What is tried is an address, and a name, outside that the person names and others reach. Without the
pod that reaches it nothing is proven: that pod is in a namespace of its own, without policies.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stackyard import machine
from stackyard.airgap.check import Check, Leak, checked
from stackyard.errors import Trouble
from stackyard.project import Stack

NAME = "stackyard-probe"
SECONDS = 180  # until a probe's pod runs
TRY = """
import json, socket, sys
address, port, name, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], 4
said = {}
if address:
    try:
        socket.create_connection((address, port), seconds).close()
        said["address"] = "reached"
    except ConnectionRefusedError:
        said["address"] = "reached: it refused"
    except OSError as error:
        said["address"] = f"not reached: {error}"
for key, wanted in (("name", name), ("cluster", "kubernetes.default.svc")):
    if wanted:
        try:
            found = {each[4][0] for each in socket.getaddrinfo(wanted, 443)}
            said[key] = "resolved: " + ", ".join(sorted(found))
        except OSError as error:
            said[key] = f"not resolved: {error}"
print(json.dumps(said))
"""
Json = dict[str, Any]


@dataclass(frozen=True)
class Tried:
    """What one pod got: each is `reached...` or `not ...`."""

    pod: str
    said: dict[str, str]

    def line(self) -> str:
        return f"{self.pod}: " + "; ".join(f"{key} {value}" for key, value in self.said.items())


def prove(
    stack: Stack, outside: str | None, name: str | None, control: str | None = None
) -> list[Check]:
    """Return the checks of a running stack; `outside` is ADDRESS:PORT, `name` a host name.

    `control` is NAMESPACE/POD of a pod with Python that reaches it, in place of one made here.
    """
    address, port = _parts(outside)
    cluster = _Cluster(stack)
    arguments = [address, str(port), name or ""]
    with cluster.control(control) as (namespace, pod):
        beside = cluster.tried(pod, namespace, "beside it", arguments)
    tried = []
    for namespace in (stack.app_namespace, stack.models_namespace):
        if cluster.has(namespace):
            with cluster.probe(namespace) as pod:
                tried.append(cluster.tried(pod, namespace, f"a pod in {namespace}", arguments))
    tried.append(cluster.tried("deployment/rag", stack.app_namespace, "the app", arguments))
    return [*_by_address(beside, tried, outside), *_by_name(beside, tried, name)]


def _by_address(control: Tried, tried: list[Tried], outside: str | None) -> Iterator[Check]:
    if outside is None:
        return
    reached = control.said["address"].startswith("reached")
    yield checked(
        "reach by address",
        f"Does no pod of the stack reach {outside}, which a pod beside it reaches?",
        [each.line() for each in (control, *tried)],
        [
            Leak(each.pod, f"reaches {outside}")
            for each in tried
            if each.said["address"].startswith("reached")
        ],
        "" if reached else f"the pod beside it does not reach {outside} either: choose another",
    )


def _by_name(control: Tried, tried: list[Tried], name: str | None) -> Iterator[Check]:
    if name is None:
        return
    deaf = [each.pod for each in (control, *tried) if not each.said["cluster"].startswith("res")]
    yield checked(
        "reach by name",
        f"Does no pod of the stack resolve {name}, while the cluster's own names are resolved?",
        [each.line() for each in (control, *tried)],
        [
            Leak(each.pod, f"resolves {name}: {each.said['name'].removeprefix('resolved: ')}")
            for each in tried
            if each.said["name"].startswith("resolved")
        ],
        f"no DNS at all in: {', '.join(deaf)}" if deaf else "",
    )


def _parts(outside: str | None) -> tuple[str, int]:
    if outside is None:
        return "", 0
    address, _, port = outside.rpartition(":")
    if not address or not port.isdecimal():
        message = f"--outside is {outside!r}: it must be ADDRESS:PORT"
        raise Trouble(message, "stackyard airgap verify --outside 203.0.113.7:443")
    return address.strip("[]"), int(port)


class _Cluster:
    """The stack's cluster by kubectl."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.environment = machine.environment(stack)
        app = json.loads(
            self._kubectl("get", "deployment", "rag", "-n", stack.app_namespace, "-o", "json")
        )
        self.pod = app["spec"]["template"]["spec"]

    def has(self, namespace: str) -> bool:
        return bool(self._kubectl("get", "namespace", namespace, "--ignore-not-found").strip())

    def tried(self, pod: str, namespace: str, told: str, arguments: list[str]) -> Tried:
        command = ("exec", pod, "-n", namespace, "--", "python3", "-c", TRY, *arguments)
        said: dict[str, str] = json.loads(self._kubectl(*command).strip().splitlines()[-1])
        return Tried(told, said)

    @contextmanager
    def control(self, given: str | None) -> Iterator[tuple[str, str]]:
        """Make a pod beside the stack, in a namespace without policies, unless one is given."""
        if given is not None:
            namespace, _, pod = given.partition("/")
            yield namespace, pod
            return
        namespace = f"{NAME}-{self.stack.name}"
        labels = {"app.kubernetes.io/part-of": "stackyard"}
        meta = {"name": namespace, "labels": labels}
        made = [{"apiVersion": "v1", "kind": "Namespace", "metadata": meta}]
        for each in self.pod.get("imagePullSecrets") or []:
            secret = json.loads(
                self._kubectl(
                    "get", "secret", each["name"], "-n", self.stack.app_namespace, "-o", "json"
                )
            )
            kept = {key: secret[key] for key in ("apiVersion", "kind", "type", "data")}
            made.append({**kept, "metadata": {"name": each["name"], "namespace": namespace}})
        try:
            self._apply(made)
            with self.probe(namespace) as pod:
                yield namespace, pod
        finally:
            self._kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")

    @contextmanager
    def probe(self, namespace: str) -> Iterator[str]:
        """Make a pod of the app's image that no Service selects; it sleeps until it is told."""
        pulls = self._pulls(namespace)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "restartPolicy": "Never",
                "imagePullSecrets": pulls,
                "terminationGracePeriodSeconds": 0,
                "securityContext": self.pod["securityContext"],
                "containers": [
                    {
                        "name": "probe",
                        "image": self.pod["containers"][0]["image"],
                        "command": ["python3", "-c", "import time; time.sleep(600)"],
                        "securityContext": self.pod["containers"][0]["securityContext"],
                        "resources": {
                            "requests": {"cpu": "10m", "memory": "32Mi"},
                            "limits": {"cpu": "500m", "memory": "128Mi"},
                        },
                    }
                ],
            },
        }
        try:
            self._apply([pod])
            self._wait(namespace)
            yield NAME
        finally:
            self._kubectl("delete", "pod", NAME, "-n", namespace, "--ignore-not-found", "--now")

    def _pulls(self, namespace: str) -> list[Json]:
        """Return the login of a namespace: the Secret has a name of its own in each."""
        found = json.loads(self._kubectl("get", "secrets", "-n", namespace, "-o", "json"))["items"]
        return [
            {"name": each["metadata"]["name"]}
            for each in found
            if each["type"] == "kubernetes.io/dockerconfigjson"
        ]

    def _wait(self, namespace: str) -> None:
        end = time.monotonic() + SECONDS
        phase = ""
        while time.monotonic() < end:
            phase = self._kubectl(
                "get", "pod", NAME, "-n", namespace, "-o", "jsonpath={.status.phase}"
            )
            if phase == "Running":
                return
            time.sleep(0.5)
        message = f"the pod {NAME} in {namespace} is {phase or 'nowhere'} after {SECONDS} s"
        raise Trouble(message, f"kubectl describe pod {NAME} -n {namespace}")

    def _apply(self, objects: list[Json]) -> None:
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self._kubectl("apply", "--filename", "-", given=given)

    def _kubectl(self, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            [*self.stack.kubectl, *arguments],
            input=given,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"kubectl {' '.join(arguments[:3])} failed: {done.stderr.strip()[-600:]}"
            raise Trouble(message, f"stackyard status --stack {self.stack.name}")
        return done.stdout
