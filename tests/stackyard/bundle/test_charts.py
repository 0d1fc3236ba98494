"""What a chart names, by the real helm: templates, hooks, and what its operator will make."""

import io
import tarfile

import pytest

from stackyard.bundle.charts import chart_images, releases

pytestmark = pytest.mark.integration
FILES = {
    "Chart.yaml": "apiVersion: v2\nname: yard\nversion: 1.2.3\n",
    "values.yaml": "image: {repository: docker.io/vendor/main, tag: v1}\nextra: true\n",
    "templates/deployment.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: main}
spec:
  template:
    spec:
      initContainers: [{name: init, image: "ghcr.io/vendor/init:1"}]
      containers:
        - {name: main, image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"}
""",
    "templates/hook.yaml": """
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {"helm.sh/hook": pre-upgrade}}
spec: {template: {spec: {containers: [{name: hook, image: "quay.io/vendor/hook:2"}]}}}
""",
    "templates/policy.yaml": """
apiVersion: nvidia.com/v1
kind: ClusterPolicy
metadata: {name: policy}
spec:
  toolkit: {enabled: true, repository: nvcr.io/nvidia/k8s, image: container-toolkit, version: v1}
  vgpu: {enabled: false, repository: nvcr.io/nvidia, image: vgpu, version: v9}
{{- if .Values.extra }}
  extra: {repository: nvcr.io/nvidia, image: extra, version: v2}
{{- end }}
""",
}


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, text in FILES.items():
            member = tarfile.TarInfo(f"yard/{name}")
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def test_templates_hooks_and_an_operators_resources_are_listed() -> None:
    resource = {
        "type": "kubernetes:helm.sh/v3:Release",
        "name": "yard",
        "inputs": {
            "chart": "yard",
            "version": "1.2.3",
            "repositoryOpts": {"repo": "https://charts.example.com"},
            "values": {"image": {"repository": "registry.corp/rag/vendor/main"}, "extra": False},
        },
    }
    ((item, inputs),) = releases([resource])

    found = list(chart_images(item, inputs, archive(), ["vendor/main"]))

    assert item.reference == "https://charts.example.com/yard:1.2.3"
    assert [each.reference for each in found] == [
        "ghcr.io/vendor/init:1",
        "nvcr.io/nvidia/k8s/container-toolkit:v1",
        "quay.io/vendor/hook:2",
    ]
