"""The acceptance journey as a Job beside the service, in the image that the app runs in."""

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackyard.errors import Trouble
from stackyard.progress import Tell
from stackyard.project import Stack
from stackyard.replies import Json

MODULES = (
    "__init__.py",
    "accept.py",
    "client.py",
    "connection.py",
    "errors.py",
    "journey.py",
    "pdf.py",
    "replies.py",
)
NAME = "stackyard-accept"
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "stackyard"}
SECONDS = 900
APP = "rag"


class Job:
    """One run of the journey in the stack's own namespace; nothing of it is left afterwards."""

    def __init__(self, stack: Stack, environment: Mapping[str, str]) -> None:
        self.stack = stack
        self.environment = dict(environment)

    def run(self, key: str | None, inventory: list[Json], tell: Tell) -> Json:
        """Return the report that the Job printed."""
        app = json.loads(self._kubectl("get", "deployment", APP, "--output", "json"))
        service = json.loads(self._kubectl("get", "service", APP, "--output", "json"))
        objects = manifests(self.stack, app, service, key, inventory)
        self._remove()
        try:
            given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
            self._kubectl("apply", "--filename", "-", given=given)
            self._wait(tell)
            return self._report()
        finally:
            self._remove()

    def _wait(self, tell: Tell) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            status = json.loads(self._kubectl("get", "job", NAME, "--output", "json"))["status"]
            if status.get("succeeded") or status.get("failed"):
                return
            lines = self._log().splitlines()
            tell(lines[-1] if lines else "waiting for the pod")
            time.sleep(1)
        message = f"Job {NAME} did not end within {SECONDS} s"
        raise Trouble(message, f"stackyard status --stack {self.stack.name}")

    def _report(self) -> Json:
        lines = self._log().splitlines()
        if lines and lines[-1].startswith("{"):
            report = json.loads(lines[-1])
            if isinstance(report, dict):
                return report
        message = f"Job {NAME} ended without a report:\n" + "\n".join(lines[-12:])
        raise Trouble(
            message, f"stackyard accept --from-here --stack {self.stack.name} needs no Job"
        )

    def _log(self) -> str:
        try:
            return self._kubectl("logs", f"job/{NAME}", "--tail=-1")
        except subprocess.CalledProcessError:
            return ""  # the pod has not started

    def _remove(self) -> None:
        kinds = "job,configmap,secret,networkpolicy"
        self._kubectl(
            *("delete", kinds, "--selector", f"app.kubernetes.io/name={NAME}"),
            *("--ignore-not-found", "--cascade=foreground"),
        )

    def _kubectl(self, *arguments: str, given: str | None = None) -> str:
        return subprocess.run(
            [*self.stack.kubectl, "--namespace", self.stack.app_namespace, *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=True,
        ).stdout


def manifests(
    stack: Stack,
    app: dict[str, Any],  # Kubernetes' own JSON
    service: dict[str, Any],
    key: str | None,
    inventory: list[Json],
) -> list[Json]:
    """Return what the Job needs: our modules, the key, the way through the network policies."""
    pod = app["spec"]["template"]["spec"]
    port = service["spec"]["ports"][0]
    metadata: Json = {"name": NAME, "namespace": stack.app_namespace, "labels": LABELS}
    here = Path(__file__).parent
    files = {name: (here / name).read_text() for name in MODULES}
    certificate = _certificate(pod)
    scheme = "https" if certificate else "http"
    arguments = ["--url", f"{scheme}://{APP}:{port['port']}", "--stack", stack.name]
    arguments += ["--pin", "/accept/tls.crt"] if certificate else []
    arguments += ["--inventory", "/accept/inventory.json"]
    arguments += ["--key-file", "/accept/key"] if key else []
    container = {
        "name": "accept",
        "image": pod["containers"][0]["image"],
        "command": ["python3", "-m", "stackyard.accept", *arguments],
        "workingDir": "/accept",  # where Python looks first, before the image's own packages
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "accept", "mountPath": "/accept", "readOnly": True}],
    }
    sources: list[Json] = [
        {
            "configMap": {
                "name": NAME,
                "items": [
                    *({"key": name, "path": f"stackyard/{name}"} for name in MODULES),
                    {"key": "inventory.json", "path": "inventory.json"},
                ],
            }
        },
        {"secret": {"name": NAME, "items": [{"key": "key", "path": "key"}], "optional": True}},
    ]
    if certificate:
        shown = [{"key": "tls.crt", "path": "tls.crt"}]
        sources.append({"secret": {"name": certificate, "items": shown}})
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": pod.get("imagePullSecrets", []),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": pod.get("securityContext", {}).get("runAsUser", 65532),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "accept", "projected": {"sources": sources}}],
    }
    objects: list[Json] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {**files, "inventory.json": json.dumps(inventory)},
        },
        *_policies(metadata, app["spec"]["selector"], port.get("targetPort", port["port"])),
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": SECONDS,
                "template": {"metadata": {"labels": LABELS}, "spec": spec},
            },
        },
    ]
    if key:
        objects.insert(
            0,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": metadata,
                "stringData": {"key": key},
            },
        )
    return objects


def _certificate(pod: dict[str, Any]) -> str | None:
    """Return the Secret of the certificate that the app serves, None where it speaks plain HTTP."""
    volumes = {each["name"]: each for each in pod.get("volumes", [])}
    found = volumes.get("tls", {}).get("secret", {}).get("secretName")
    return str(found) if found else None


def _policies(metadata: Json, app_selector: Json, port: object) -> list[Json]:
    """Policies add up: these open the way from the Job to the app and to DNS, nothing else."""
    to_app = {"podSelector": app_selector}
    dns = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    outward: Json = {
        "podSelector": {"matchLabels": LABELS},
        "policyTypes": ["Egress"],
        "egress": [{"to": [to_app], "ports": [{"port": port}]}, {"ports": dns}],
    }
    inward: Json = {
        **to_app,
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"podSelector": {"matchLabels": LABELS}}], "ports": [{"port": port}]}
        ],
    }
    named = {**metadata, "name": f"{NAME}-app"}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return [
        {**kind, "metadata": metadata, "spec": outward},
        {**kind, "metadata": named, "spec": inward},
    ]
