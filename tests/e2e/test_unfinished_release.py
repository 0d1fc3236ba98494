"""helm is killed in the middle of an install: what is left is cleared and taken over."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.components.unfinished_release import clear, records
from tests.e2e.yard import Yard

pytestmark = [pytest.mark.e2e, pytest.mark.long]

NAME = "cut-off"
CHART = {
    "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": NAME, "version": "1.0.0"}),
    "values.yaml": "replicas: 1\n",
    "templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: waits}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: waits}}
  template:
    metadata: {labels: {app: waits}}
    spec: {containers: [{name: c, image: "registry.invalid/never:1"}]}
""",
}


@pytest.fixture
def chart(yard: Yard, tmp_path: Path) -> Iterator[Path]:
    for name, text in CHART.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    yard.kubectl("create", "namespace", NAME)
    yield tmp_path
    yard.kubectl("delete", "namespace", NAME, "--wait=false")


def test_an_install_that_was_killed_is_carried_on_with_what_is_there(
    yard: Yard, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = yard.shell_environment()
    monkeypatch.setenv("PATH", environment["PATH"])
    install = ["helm", "install", NAME, str(chart), "--namespace", NAME, "--wait"]
    props = {
        "kubeconfig": environment["KUBECONFIG"],
        "context": None,
        "namespace": NAME,
        "release": NAME,
    }

    with subprocess.Popen(install, env=environment) as killed:
        until = time.monotonic() + 120
        while "kept" not in yard.kubectl("get", "configmaps", "-n", NAME, "-o", "name"):
            assert time.monotonic() < until
            time.sleep(0.5)
        killed.kill()
    made = json.loads(yard.kubectl("get", "configmap", "kept", "-n", NAME, "-o", "json"))
    left = records(props)
    again = [*install, "--set", "replicas=0", "--timeout", "60s"]
    refused = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
    clear(props)
    subprocess.run(again, env=environment, check=True)

    assert left == [f"secret/sh.helm.release.v1.{NAME}.v1"]
    assert "still in use" in refused.stderr
    assert records(props) == []
    kept = json.loads(yard.kubectl("get", "configmap", "kept", "-n", NAME, "-o", "json"))
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]
