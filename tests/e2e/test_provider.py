"""The stand-in Kubernetes provider through the real engine, on the journey's own cluster."""

import base64
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.yard import Yard
from tools.standin.install import plugin_directory

TOKEN = "the-token-of-this-test"
pytestmark = pytest.mark.e2e

PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
config = pulumi.Config()
provider = k8s.Provider(
    "cluster", kubeconfig=config.require("kubeconfig"), enable_secret_mutable=True
)
opts = pulumi.ResourceOptions(provider=provider)
space = k8s.core.v1.Namespace("space", metadata={"name": config.require("space")}, opts=opts)
inside = {"namespace": space.metadata.name}
"""
OBJECTS = """
k8s.core.v1.Secret(
    "key", metadata={**inside, "name": "key"},
    string_data={"token": config.require_secret("token")}, opts=opts,
)
k8s.core.v1.ConfigMap(
    "settings", metadata=inside, data={"level": config.require("level")}, opts=opts
)
k8s.core.v1.ServiceAccount(
    "runner",
    metadata={
        **inside, "name": "runner", "labels": {"tier": "a"},
        "annotations": {"pulumi.com/patchForce": "true", "note": config.require("level")},
    },
    automount_service_account_token=False,
    opts=opts,
)
pulumi.export("uid", space.metadata.uid)
"""
WORKLOAD = """
k8s.apps.v1.Deployment(
    "app",
    metadata={**inside, "name": "app", "annotations": {"pulumi.com/timeoutSeconds": "6"}},
    spec={
        "replicas": config.require_int("replicas"),
        "selector": {"match_labels": {"app": config.require("label")}},
        "template": {
            "metadata": {"labels": {"app": config.require("label")}},
            "spec": {
                "node_selector": {"no-such": "node"},
                "containers": [{
                    "name": "main", "image": "registry.invalid/none:1",
                    "resources": {"limits": {"memory": "1024Mi", "cpu": "1000m"}},
                }],
            },
        },
    },
    opts=opts,
)
"""
RELEASE = """
k8s.helm.v3.Release(
    "release", name="release", chart="./chart", namespace=space.metadata.name, timeout=20,
    values={"level": config.require("level"), "token": config.require_secret("token")}, opts=opts,
)
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: small\nversion: 1.2.3\nappVersion: '7'\n",
    "templates/map.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-chart}\n"
        'data: {level: "{{ .Values.level }}", length: "{{ len .Values.token }}"}\n'
    ),
}


class Stack:
    """A stack of its own, in a namespace of its own."""

    def __init__(self, folder: Path, yard: Yard) -> None:
        self.folder = folder
        self.space = f"standin-{uuid.uuid4().hex[:8]}"
        (folder / "state").mkdir()
        shell = yard.shell_environment()
        venv = str(Path(sys.executable).parent)
        self.environment = {
            **shell,
            "PATH": os.pathsep.join([str(plugin_directory()), venv, shell["PATH"]]),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        }
        (folder / "Pulumi.yaml").write_text("name: standin\nruntime: python\n")
        self.pulumi("stack", "init", "test")
        self.set(space=self.space, level="1", replicas="0", label="app")
        self.set(kubeconfig=shell["KUBECONFIG"])
        self.pulumi("config", "set", "--secret", "token", TOKEN)

    def program(self, *parts: str) -> None:
        (self.folder / "__main__.py").write_text(PROGRAM + "".join(parts))

    def set(self, **settings: str) -> None:
        pairs = [
            part for key, value in settings.items() for part in ("--plaintext", f"{key}={value}")
        ]
        self.pulumi("config", "set-all", *pairs)

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, text
        return text

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.pulumi("up", "--yes", *arguments, fails=fails)

    def kubectl(self, *arguments: str) -> str:
        command = ["kubectl", "--namespace", self.space, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(self) -> str:
        return self.pulumi("stack", "export")

    def resources(self) -> dict[str, Any]:
        found = json.loads(self.state())["deployment"]["resources"]
        return {item["urn"].rpartition("::")[2]: item for item in found}


def write_chart(stack: Stack, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = stack.folder / "chart" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def stack(tmp_path: Path, yard: Yard) -> Iterator[Stack]:
    made = Stack(tmp_path, yard)
    yield made
    made.pulumi("destroy", "--yes")


def test_objects_are_made_previewed_refreshed_and_destroyed(stack: Stack) -> None:
    stack.program(OBJECTS)

    made = stack.up()
    same = stack.pulumi("preview", "--refresh", "--expect-no-changes")
    stack.set(level="2")
    changed = stack.pulumi("preview", "--diff")

    assert "stackyard's stand-in" in made
    assert "6 unchanged" in same
    assert '~ level: "1" => "2"' in changed
    assert '~ note: "1" => "2"' in changed
    assert stack.kubectl("get", "secret", "key", "-o", "jsonpath={.data.token}")
    stack.pulumi("destroy", "--yes")
    left = stack.kubectl("get", "namespace", stack.space, "--ignore-not-found")
    assert left == ""


def test_no_secret_is_plain_in_the_state(stack: Stack) -> None:
    stack.program(OBJECTS)

    stack.up()

    state = stack.state()
    assert TOKEN not in state
    assert base64.b64encode(TOKEN.encode()).decode() not in state
    assert "the-token" not in stack.up("--diff", "--refresh")


def test_drift_is_seen_and_repaired(stack: Stack) -> None:
    stack.program(OBJECTS)
    stack.up()
    stack.kubectl("label", "serviceaccount", "runner", "tier=b", "--overwrite")
    stack.kubectl("delete", "configmap", "--all")

    seen = stack.pulumi("preview", "--refresh", "--diff")
    stack.up("--refresh")

    assert 'tier: "b" => "a"' in seen
    labels = stack.kubectl("get", "serviceaccount", "runner", "-o", "jsonpath={.metadata.labels}")
    assert json.loads(labels) == {"tier": "a"}
    maps = stack.kubectl("get", "configmap", "-o", "name")
    assert "configmap/settings-" in maps
    stack.pulumi("preview", "--refresh", "--expect-no-changes")


def test_a_failing_workload_tells_why_and_the_next_update_carries_on(stack: Stack) -> None:
    stack.program(OBJECTS, WORKLOAD)
    stack.set(replicas="1")

    failed = stack.up(fails=True)
    recorded = stack.resources()["app"]
    stack.set(replicas="0")
    stack.up()

    assert f"Deployment {stack.space}/app is not ready" in failed
    assert "Unschedulable: " in failed
    assert recorded["id"] == f"{stack.space}/app"
    assert recorded["initErrors"]
    assert "initErrors" not in stack.resources()["app"]


def test_a_changed_selector_makes_a_new_deployment(stack: Stack) -> None:
    stack.program(WORKLOAD)
    stack.up()
    before = stack.kubectl("get", "deployment", "app", "-o", "jsonpath={.metadata.uid}")
    stack.set(label="other")

    preview = stack.pulumi("preview")
    stack.up()

    assert "1 to replace" in preview
    after = stack.kubectl("get", "deployment", "app", "-o", "jsonpath={.metadata.uid}")
    assert after != before


def test_a_failing_release_tells_why_and_the_next_update_carries_on(stack: Stack) -> None:
    workload = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: main}\n"
        "spec:\n  replicas: {{ .Values.replicas }}\n  selector: {matchLabels: {a: b}}\n"
        "  template:\n    metadata: {labels: {a: b}}\n    spec:\n"
        "      nodeSelector: {no-such: node}\n      containers: [{name: c, image: x}]\n"
    )
    write_chart(stack, {**CHART, "templates/main.yaml": workload})
    replicas = 'values={"replicas": config.require_int("replicas"), '
    stack.program(RELEASE.replace("values={", replicas).replace("timeout=20", "timeout=5"))
    stack.set(replicas="1")

    failed = stack.up(fails=True)
    stack.set(replicas="0")
    stack.up()

    assert f"Deployment {stack.space}/main: 0 of 1 replicas are available" in failed
    assert "Unschedulable: " in failed
    assert TOKEN not in failed
    assert stack.resources()["release"]["outputs"]["status"]["status"] == "deployed"


def test_a_release_is_installed_upgraded_and_removed_by_helm(stack: Stack) -> None:
    write_chart(stack, CHART)
    stack.program(RELEASE)

    stack.up()
    stack.up("--expect-no-changes", "--refresh")
    stack.set(level="2")
    stack.up()

    shown = stack.kubectl("get", "configmap", "from-chart", "-o", "jsonpath={.data}")
    assert json.loads(shown) == {"level": "2", "length": str(len(TOKEN))}
    release = stack.resources()["release"]["outputs"]
    assert release["status"]["revision"] == 2
    assert release["status"]["status"] == "deployed"
    assert release["status"]["version"] == "1.2.3"
    assert TOKEN not in stack.state()
    stack.program("")
    stack.up()
    assert "from-chart" not in stack.kubectl("get", "configmap", "-o", "name")


def test_an_object_that_a_killed_run_did_not_record_is_taken_up(stack: Stack) -> None:
    stack.program(OBJECTS)
    stack.up()
    urn = stack.resources()["runner"]["urn"]
    stack.pulumi("state", "delete", urn, "--yes")

    stack.up()

    assert stack.resources()["runner"]["id"] == f"{stack.space}/runner"


def test_state_of_the_official_plugin_is_left_alone(stack: Stack) -> None:
    stack.program(OBJECTS)
    stack.up()
    ours, copied = stack.state(), stack.folder / "state.json"
    copied.write_text(ours.replace('"__standIn"', '"official"'))
    stack.pulumi("stack", "import", "--file", str(copied))

    refused = stack.up(fails=True)

    copied.write_text(ours)
    stack.pulumi("stack", "import", "--file", str(copied))
    assert "was not written by the stand-in Kubernetes provider" in refused
    assert "hint: pulumi plugin install resource kubernetes 4.34.2" in refused


def test_an_object_is_imported_by_its_id(stack: Stack) -> None:
    stack.program(OBJECTS)
    stack.up()
    stack.kubectl("create", "configmap", "theirs", "--from-literal=a=1")

    kind, known = "kubernetes:core/v1:ConfigMap", f"{stack.space}/theirs"
    stack.pulumi(
        "import", kind, "theirs", known, "--yes", "--generate-code=false", "--protect=false"
    )

    found = stack.resources()["theirs"]
    assert found["id"] == known
    assert found["inputs"]["data"] == {"a": "1"}
