"""checkov over what the GPU stacks make; each finding is repaired, or argued in checkov.yaml."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.conftest import Deploy, deploy, no_machine
from tests.infra.recorder import Deployment
from tests.infra.test_gpu_settings import EKS
from tests.stacks.rendering import cloudformation, manifests
from tests.stacks.test_stacks import NEEDED, ROOT, kubeconfig, settings_of
from tools.cache import Recipe, content_key

__all__ = ["deploy", "kubeconfig", "no_machine"]  # fixtures

CHECKOV = "3.3.30"
ARGUED = yaml.safe_load(Path(__file__).with_name("checkov.yaml").read_text())

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]  # of this tier: it may download


@pytest.fixture(scope="module")
def checkov() -> Path:
    """Provide checkov in an environment of its own, because of its hundred dependencies."""

    def make(folder: Path) -> str:
        uv = subprocess.run([ROOT / "tools/find-uv.sh"], capture_output=True, text=True, check=True)
        run = [uv.stdout.strip(), "pip", "install", "--quiet", "--python", sys.executable]
        subprocess.run([*run, "--target", str(folder), f"checkov=={CHECKOV}"], check=True)
        return "installed from PyPI"

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Recipe(name="checkov", key=content_key(CHECKOV, version), make=make).ensure().folder


def failed(checkov: Path, framework: str, folder: Path) -> set[tuple[str, str]]:
    """Return rule and resource of each finding."""
    command = [
        sys.executable,
        "-m",
        "checkov.main",
        "--directory",
        str(folder),
        "--framework",
        framework,
    ]
    done = subprocess.run(
        [*command, "--output", "json", "--quiet", "--compact", "--skip-download", "--soft-fail"],
        env={"PYTHONPATH": str(checkov), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 20, "hardly a rule applied"
    return {(each["check_id"], each["resource"]) for each in report["results"]["failed_checks"]}


def not_argued(findings: set[tuple[str, str]], framework: str) -> list[str]:
    argued = ARGUED[framework]
    return sorted(
        f"{rule} at {where}"
        for rule, where in findings
        if not any(part in where for part in argued.get(rule, {}).get("at", []))
    )


def stale(findings: set[tuple[str, str]], framework: str) -> list[str]:
    """Return the arguments that no finding needs any more."""
    return [
        f"{rule} at {part}"
        for rule, argument in ARGUED[framework].items()
        for part in argument["at"]
        if not any(rule == found and part in where for found, where in findings)
    ]


def as_template(found: Deployment, folder: Path) -> None:
    (folder / "template.json").write_text(json.dumps(cloudformation(found), indent=1))


def as_manifests(found: Deployment, folder: Path) -> None:
    for name, content in manifests(found):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize(
    ("framework", "render"), [("cloudformation", as_template), ("kubernetes", as_manifests)]
)
def test_every_finding_is_repaired_or_argued_and_no_argument_is_left_over(
    deploy: Deploy,
    checkov: Path,
    tmp_path: Path,
    framework: str,
    render: Callable[[Deployment, Path], None],
) -> None:
    public = settings_of(ROOT / "examples/Pulumi.eks.yaml") | {"registry": {"mirrored": True}}
    private: dict[str, Any] = {
        "cluster": {**EKS, "endpoint": "private"},
        "registry": {"mirrored": True},
        "gpuOperator": {"chart": "./chart.tgz"},
        "models": {
            "kind": "nim",
            **{role: {"preloaded": True} for role in ("llm", "embedding", "ranking")},
        },
    }
    findings: set[tuple[str, str]] = set()
    for name, settings, secrets in (("eks", public, NEEDED["eks"]), ("closed", private, {})):
        folder = tmp_path / name
        folder.mkdir()
        render(deploy(settings, secrets=secrets, stack=name), folder)
        findings |= failed(checkov, framework, folder)

    assert not_argued(findings, framework) == []
    assert stale(findings, framework) == []


def test_each_argument_says_why() -> None:
    for rules in ARGUED.values():
        for rule, argument in rules.items():
            assert argument["at"], rule
            assert len(argument["why"]) > 30, rule
