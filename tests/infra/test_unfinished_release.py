"""What a killed helm leaves is found in a preview and cleared by an `up`; kubectl is a double."""

import os
from pathlib import Path

import pytest

from infra.command import CommandFailed
from infra.components.unfinished_release import UnfinishedReleaseProvider, clear
from tests.infra.conftest import Deploy
from tests.infra.test_gpu_settings import EKS, KEY, NIM, ONPREM, REGISTRY

KUBECTL = """#!/bin/sh
echo "$*" >> "$CALLS"
test -z "$DOWN" || { echo "connection refused" >&2; exit 1; }
case "$*" in
  *" get secrets "*) cat "$CALLS.left" ;;
  *" delete "*) : > "$CALLS.left" ;;
esac
"""
PROPS = {
    "kubeconfig": "/home/me/.kube/config",
    "context": "c",
    "namespace": "gpu-operator",
    "release": "gpu-operator",
}
LEFT = "secret/sh.helm.release.v1.gpu-operator.v1\n"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a kubectl that remembers its calls first on PATH."""
    tool = tmp_path / "kubectl"
    tool.write_text(KUBECTL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("DOWN", "")
    (tmp_path / "calls.left").write_text("")
    return tmp_path / "calls"


def test_a_pending_record_is_a_change_and_the_update_removes_it(calls: Path) -> None:
    Path(f"{calls}.left").write_text(LEFT)
    provider = UnfinishedReleaseProvider()

    before = provider.diff("id", PROPS, PROPS)
    provider.update("id", PROPS, PROPS)
    after = provider.diff("id", PROPS, PROPS)

    assert (before.changes, after.changes) == (True, False)
    said = calls.read_text().splitlines()
    where = "--kubeconfig /home/me/.kube/config --namespace gpu-operator --context c"
    assert all(line.startswith(f"{where} --request-timeout=10s ") for line in said)
    assert [line.split()[-1] for line in said if " delete " in line] == [LEFT.strip()]
    assert "status in (pending-install,pending-upgrade,pending-rollback)" in said[0]


def test_a_preview_without_the_cluster_sees_no_change_and_an_up_says_why(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOWN", "yes")
    provider = UnfinishedReleaseProvider()

    assert provider.diff("id", PROPS, PROPS).changes is False
    with pytest.raises(CommandFailed, match="connection refused"):
        clear(PROPS)


def test_a_kubeconfig_in_text_is_a_file_for_that_call_only(calls: Path) -> None:
    clear({**PROPS, "kubeconfig": '{"apiVersion": "v1"}', "context": None})

    path = Path(calls.read_text().split()[1])
    assert path.name == "kubeconfig"
    assert not path.exists()


def test_each_release_of_ours_comes_after_what_clears_its_name(deploy: Deploy) -> None:
    there = {"cluster": ONPREM, "registry": REGISTRY, "models": NIM}
    found = deploy({**there, "nimOperator": {"mode": "install"}}, secrets=KEY)

    for name in ("gpu-operator", "nim-operator"):
        cleared = found[f"{name}-unfinished"].inputs
        assert cleared["release"] == cleared["namespace"] == name
        assert cleared["context"] == "c"
        assert f"{name}-unfinished" in found[f"{name}-release"].after


def test_at_aws_it_asks_by_the_kubeconfig_of_the_cluster_that_is_made(deploy: Deploy) -> None:
    found = deploy({"cluster": EKS, "models": NIM}, secrets=KEY)

    assert "eks.example.com" in found["gpu-operator-unfinished"].inputs["kubeconfig"]
