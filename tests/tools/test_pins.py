"""A version is written once for each place that needs it; here they are held together."""

import re
import tomllib
from pathlib import Path

import pytest

from tools import builds, golang, official_plugin, wheels
from tools.pins import TOOLS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "path", "version"),
    [
        ("pulumi", "github.com/pulumi/pulumi/pkg/v3", builds.PULUMI),
        ("pulumi", "github.com/pulumi/pulumi/sdk/v3", builds.PULUMI),
        ("kind", "sigs.k8s.io/kind", builds.KIND),
        ("kube", "k8s.io/kubernetes", builds.KUBERNETES),
        ("containerd", "github.com/containerd/containerd/v2", builds.CONTAINERD),
    ],
)
def test_the_go_modules_have_the_pinned_version(module: str, path: str, version: str) -> None:
    text = (golang.MODULES / module / "go.mod").read_text()

    assert re.findall(rf"^\s*(?:require )?{re.escape(path)} (\S+)$", text, re.M) == [f"v{version}"]


@pytest.mark.parametrize("module", sorted({each.module for each in builds.NODE} | {"kind"}))
def test_every_module_is_pinned_by_its_sums(module: str) -> None:
    assert " h1:" in (golang.MODULES / module / "go.sum").read_text()


def test_the_official_plugin_is_the_one_of_the_python_package() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())

    (version,) = (p["version"] for p in lock["package"] if p["name"] == "pulumi-kubernetes")
    assert version == official_plugin.VERSION


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_pinned_version_is_one_that_would_be_good_on_path(name: str) -> None:
    tool = TOOLS[name]
    version = tuple(map(int, tool.version.split(".")))

    assert tool.oldest <= version < tool.newest
    assert tool.version in tool.release.url


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_known_checksum_is_a_sha256(name: str) -> None:
    release = TOOLS[name].release

    assert re.fullmatch("[0-9a-f]{64}", release.sha256) or release.checksum_url.startswith("https:")


def test_the_wheel_is_pinned_by_version_and_hash() -> None:
    assert "==" in wheels.LAYER
    assert re.fullmatch("[0-9a-f]{64}", wheels.LAYER_SHA256)
