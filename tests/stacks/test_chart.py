"""Our values against NVIDIA's own chart, by the real helm.

Without a chart of yours it is the newest that is to be had as a Go module, older than our pin:
STACKYARD_GPU_OPERATOR_CHART=./gpu-operator-v26.7.0.tgz pytest tests/stacks/test_chart.py
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog import GPU_OPERATOR_IMAGES
from infra.components.gpu_operator_values import Target, values
from infra.registry import Registry, rewrite
from infra.schema import ClusterSettings
from tests.stacks.openapi import Definition, problems, pruned
from tests.stacks.published import gpu_operator_chart
from tools import toolchain

MIRROR = Registry("mirror.example.com", "all")
# maps that the chart leaves open, and what only its templates name
OPEN = ("devicePlugin.config.data.", "dcgmExporter.imagePullSecrets")
BASE: dict[str, Any] = {
    "driver": True,
    "toolkit": True,
    "device_plugin": True,
    "k3s": False,
    "mig_profile": None,
    "slices": None,
    "taints": [],
}
TAINT = ClusterSettings.model_validate({"gpu": {"tolerations": [{"key": "team"}]}}).gpu.tolerations
TARGETS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "aws": {"driver": False, "toolkit": False},
    "bottlerocket": {"driver": False, "toolkit": False, "device_plugin": False},
    "rke2": {"k3s": True, "driver": False},
    "mig": {"mig_profile": "all-1g.10gb"},
    "time-slicing": {"slices": 2},
    "taints": {"taints": TAINT},
}

pytestmark = pytest.mark.engine  # of this tier because it needs the tools


def target(name: str) -> Target:
    return Target(**{**BASE, **TARGETS[name]})


def images(wanted: Target) -> dict[str, str]:
    return {key: rewrite(GPU_OPERATOR_IMAGES[key], MIRROR) for key in wanted.images}


@pytest.fixture(scope="module")
def chart() -> str:
    return str(gpu_operator_chart())


@pytest.fixture(scope="module")
def helm() -> str:
    found = shutil.which("helm") or str(toolchain.ensure(["helm"])["helm"])
    return found


@pytest.fixture(scope="module")
def policy_shape(helm: str, chart: str) -> Definition:
    """Return the schema of a ClusterPolicy's spec, as the chart defines it."""
    shown = subprocess.run([helm, "show", "crds", chart], capture_output=True, check=True).stdout
    (crd,) = [
        each
        for each in yaml.safe_load_all(shown)
        if each and each["spec"]["names"]["kind"] == "ClusterPolicy"
    ]
    (version,) = crd["spec"]["versions"]
    found: Definition = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def paths(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of every leaf."""
    for key, each in value.items():
        if isinstance(each, dict):
            yield from paths(each, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def known(defaults: dict[str, Any], path: str) -> bool:
    """Tell whether a path of values is one of the chart's."""
    at: Any = defaults
    for part in path.split("."):
        if not isinstance(at, dict) or part not in at:
            return False
        at = at[part]
    return True


@pytest.mark.parametrize("name", TARGETS)
def test_every_value_of_ours_is_one_that_the_chart_reads(helm: str, chart: str, name: str) -> None:
    shown = subprocess.run([helm, "show", "values", chart], capture_output=True, check=True).stdout
    defaults = yaml.safe_load(shown)
    inside = Path(chart, "charts/node-feature-discovery/values.yaml")
    if inside.is_file():  # a chart in a folder: the subchart's own values count too
        nfd = yaml.safe_load(inside.read_text())
        merged = {**nfd, **defaults["node-feature-discovery"]}
        defaults["node-feature-discovery"] = merged
    wanted = target(name)

    given = [
        path for path in paths(values(wanted, images(wanted), "pull")) if not path.startswith(OPEN)
    ]

    assert [path for path in given if not known(defaults, path)] == []


@pytest.mark.parametrize("name", TARGETS)
def test_the_chart_renders_a_policy_of_its_own_kind_with_private_images_only(
    helm: str, chart: str, policy_shape: Definition, tmp_path: Path, name: str
) -> None:
    wanted = target(name)
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values(wanted, images(wanted), "pull")))

    done = subprocess.run(
        [helm, "template", "gpu-operator", chart, "--namespace", "gpu-operator", "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rendered = [each for each in yaml.safe_load_all(done.stdout) if each]
    (policy,) = [each for each in rendered if each["kind"] == "ClusterPolicy"]
    spec = policy["spec"]
    assert problems({}, policy_shape, pruned(spec), "ClusterPolicy") == []
    for key in set(wanted.images) - {"node-feature-discovery", "operator"}:
        part = spec
        for step in key.split("."):
            part = part[step]
        assert part["repository"].startswith("mirror.example.com/all"), key
        assert part.get("enabled", True) is True, key
        assert part.get("imagePullSecrets") == (None if key == "driver.manager" else ["pull"]), key
    for part, on in (
        ("driver", wanted.driver),
        ("toolkit", wanted.toolkit),
        ("devicePlugin", wanted.device_plugin),
        ("migManager", wanted.mig_profile is not None),
    ):
        assert spec[part]["enabled"] is on, part
    for each in [each for each in rendered if "template" in each.get("spec", {})]:
        pod = each["spec"]["template"]["spec"]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["image"].startswith("mirror.example.com/all/"), container["image"]
        # charts before v26 forget the key in the pods of their hooks
        if "STACKYARD_GPU_OPERATOR_CHART" in os.environ or each["kind"] != "Job":
            assert pod["imagePullSecrets"] == [{"name": "pull"}]
