"""Releases: what helm is told, and what never stands on its command line."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.standin.doubles import Failure, Provider, shown
from tools.standin import helm_command
from tools.standin.helm import chart_checksum, merged
from tools.standin.wire import Secret

TOKEN = "kubernetes:helm.sh/v3:Release"
# Answers like helm and writes down its arguments, its input and the files it was given.
RECORDER = """#!{python}
import json, os, pathlib, stat, sys
here = pathlib.Path({folder!r})
args = sys.argv[1:]
line = {{"args": args, "stdin": sys.stdin.read() if "--password-stdin" in args else ""}}
for flag in ("--values", "--kubeconfig"):
    if flag in args:
        path = pathlib.Path(args[args.index(flag) + 1])
        line[flag] = [str(path), stat.S_IMODE(path.stat().st_mode), path.read_text()]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(line) + "\\n")
installed = here / "installed"
if args[0] == "version":
    print("v4.2.3", end="")
elif args[:2] == ["get", "metadata"]:
    if not installed.exists():
        sys.exit("Error: release: not found")
    print(json.dumps({{"name": "r", "namespace": "n", "status": "deployed", "revision": 1}}))
elif args[0] == "upgrade":
    if (here / "refuse").exists():
        sys.exit("Error: template: no value for token=hunter22 given-secret")
    installed.touch()
"""


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    binary = tmp_path / "helm"
    binary.write_text(RECORDER.format(python=sys.executable, folder=str(tmp_path)))
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    helm_command.helm_path.cache_clear()
    helm_command.helm_major.cache_clear()
    yield tmp_path
    helm_command.helm_path.cache_clear()
    helm_command.helm_major.cache_clear()


def calls(folder: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


RELEASE = {"name": "r", "namespace": "n", "chart": "oci://registry/chart", "version": "1.2.3"}


def test_a_release_is_installed_with_its_settings(helm: Path, provider: Provider) -> None:
    inputs = {**RELEASE, "createNamespace": True, "atomic": True, "timeout": 30}

    known, state = provider.create(TOKEN, inputs)

    (told,) = [call["args"] for call in calls(helm) if call["args"][0] == "upgrade"]
    assert told[:6] == ["upgrade", "--install", "r", "oci://registry/chart", "--version", "1.2.3"]
    assert {"--create-namespace", "--rollback-on-failure", "--wait", "30s"} <= set(told)
    assert known == "n/r"
    assert state["status"]["status"] == "deployed"
    assert state["__standIn"] == "1"


def test_secrets_travel_in_files_that_only_we_can_read(helm: Path, provider: Provider) -> None:
    options = {"repo": "https://charts", "username": "me", "password": Secret("pass-word")}
    inputs = {**RELEASE, "chart": "c", "repositoryOpts": options}
    inputs["values"] = {"key": Secret("given-secret")}

    _, state = provider.create(TOKEN, inputs)

    for call in calls(helm):
        assert "given-secret" not in str(call["args"])
        assert "pass-word" not in str(call["args"])
    (login,) = [call for call in calls(helm) if call["args"][:2] == ["repo", "add"]]
    (upgrade,) = [call for call in calls(helm) if call["args"][0] == "upgrade"]
    assert login["stdin"] == "pass-word"
    path, mode, text = upgrade["--values"]
    assert (mode, text) == (0o600, "key: given-secret\n")
    assert not Path(path).exists()
    assert not Path(upgrade["--kubeconfig"][0]).exists()
    assert "given-secret" not in shown(state)


def test_helms_own_words_are_the_error_without_secrets(helm: Path, provider: Provider) -> None:
    (helm / "refuse").touch()
    inputs = {**RELEASE, "values": {"key": Secret("given-secret")}}

    with pytest.raises(Failure, match=r"helm upgrade: Error: template: no value for") as caught:
        provider.create(TOKEN, inputs)

    assert "given-secret" not in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert caught.value.init is None  # nothing was installed


def test_a_release_of_others_is_not_taken_over(helm: Path, provider: Provider) -> None:
    (helm / "installed").touch()

    with pytest.raises(Failure, match="Release n/r is already there"):
        provider.create(TOKEN, RELEASE)


def test_a_preview_renders_the_chart_and_installs_nothing(helm: Path, provider: Provider) -> None:
    provider.create(TOKEN, RELEASE, preview=True)

    assert [call["args"][0] for call in calls(helm)] == ["template"]


def test_a_new_name_needs_a_new_release_and_new_values_do_not(
    helm: Path, provider: Provider
) -> None:
    state = {"__standIn": "1"}

    named = provider.diff(TOKEN, RELEASE, {**RELEASE, "name": "s"}, state)
    valued = provider.diff(TOKEN, RELEASE, {**RELEASE, "values": {"a": 1}}, state)

    assert list(named.replaces) == ["name"]
    assert not valued.replaces
    assert list(valued.detailedDiff) == ["values"]


def test_an_edit_inside_a_chart_folder_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: a")
    before = chart_checksum(str(tmp_path))

    (tmp_path / "Chart.yaml").write_text("name: b")

    assert chart_checksum(str(tmp_path)) != before
    assert chart_checksum("oci://registry/chart") == ""


def test_values_are_laid_over_each_other() -> None:
    assert merged({"a": {"b": 1, "c": 1}}, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}


def test_a_setting_that_the_stand_in_lacks_is_refused(helm: Path, provider: Provider) -> None:
    with pytest.raises(Failure, match='"postrender" of a Release is not supported'):
        provider.check(TOKEN, {**RELEASE, "postrender": "./x"})


def test_without_helm_the_error_says_so(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    helm_command.helm_path.cache_clear()

    with pytest.raises(Failure, match="helm is not on PATH"):
        provider.create(TOKEN, RELEASE)
