"""Our values against KEDA's own chart, by the real helm, where the chart is at hand.

STACKYARD_KEDA_CHART=./keda-2.20.2.tgz pytest tests/stacks/test_keda_chart.py
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.catalog import KEDA_IMAGES
from infra.components.keda import values
from infra.registry import Registry, rewrite
from tools import toolchain

CHART = os.environ.get("STACKYARD_KEDA_CHART", "")
MIRROR = Registry("mirror.example.com", "all")

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not CHART, reason="STACKYARD_KEDA_CHART names no chart"),
]


def test_the_chart_renders_two_restricted_pods_from_the_private_registry(tmp_path: Path) -> None:
    helm = shutil.which("helm") or str(toolchain.ensure(["helm"])["helm"])
    images = {key: rewrite(image, MIRROR) for key, image in KEDA_IMAGES.items()}
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values(images, "pull")))

    done = subprocess.run(
        [helm, "template", "keda", CHART, "--namespace", "keda", "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rendered = [each for each in yaml.safe_load_all(done.stdout) if each]
    pods = [each["spec"]["template"]["spec"] for each in rendered if each["kind"] == "Deployment"]
    assert len(pods) == 2
    for pod in pods:
        (container,) = pod["containers"]
        assert container["image"] in images.values()
        assert pod["imagePullSecrets"] == [{"name": "pull"}]
        assert pod["securityContext"]["runAsNonRoot"] is True
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert security["seccompProfile"]["type"] == "RuntimeDefault"
    kinds = {each["kind"] for each in rendered}
    assert not {each for each in kinds if "Webhook" in each}
    (service,) = [each for each in rendered if each["kind"] == "APIService"]
    assert service["metadata"]["name"] == "v1beta1.external.metrics.k8s.io"
    # it finds each ready pod behind a Service by these
    rules = [rule for each in rendered if each["kind"] == "ClusterRole" for rule in each["rules"]]
    assert any("endpointslices" in rule["resources"] for rule in rules if "resources" in rule)
