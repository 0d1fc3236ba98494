"""The variables that the tools run with."""

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import Yard
from tools import official_plugin
from tools.environment import environment
from tools.standin.install import plugin_directory

EXISTING = "config:\n  stackyard:cluster: {kind: existing}\n"


def test_our_executables_come_first_and_the_users_own_follow(yard: Yard) -> None:
    path = environment()["PATH"].split(os.pathsep)

    assert path[:2] == [str(yard.home / "bin"), str(Path(sys.executable).parent)]
    assert path[2:] == [str(yard.path), "/usr/bin", "/bin"]


@pytest.mark.parametrize(
    "settings", ["", "config: {}\n", "config:\n  stackyard:cluster: {kind: local}\n", None]
)
def test_a_local_stack_without_the_official_plugin_gets_the_stand_in_last(
    yard: Yard, tmp_path: Path, settings: str | None
) -> None:
    if settings is not None:
        (tmp_path / "Pulumi.dev.yaml").write_text(settings)

    found = environment("dev", tmp_path)

    assert found["PATH"].split(os.pathsep)[-1] == str(plugin_directory())
    assert found["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


@pytest.mark.parametrize(
    "settings",
    [
        EXISTING,
        "config:\n  stackyard:cluster.kind: existing\n",
        "config:\n  stackyard:cluster: {kind: eks}\n",
    ],
)
def test_a_stack_of_another_cluster_kind_never_gets_the_stand_in(
    yard: Yard, tmp_path: Path, settings: str
) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(settings)

    found = environment("prod", tmp_path)

    assert str(plugin_directory()) not in found["PATH"]
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in found


def test_the_engine_asks_for_no_plugin_where_a_stack_is_sealed(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.sealed.yaml").write_text(f"{EXISTING}  stackyard:airgapped: true\n")

    found = environment("sealed", tmp_path)

    assert found["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert str(plugin_directory()) not in found["PATH"]


def test_the_official_plugin_keeps_the_stand_in_out(yard: Yard, tmp_path: Path) -> None:
    kept = Path(os.environ["PULUMI_HOME"], "plugins", "resource-kubernetes-v4.34.2")
    kept.mkdir(parents=True)
    (kept / official_plugin.EXECUTABLE).write_bytes(b"\x7fELF")

    found = environment("dev", tmp_path)

    assert str(plugin_directory()) not in found["PATH"]


def test_state_is_kept_in_our_folder_where_the_user_chose_none(yard: Yard) -> None:
    found = environment()

    assert found["PULUMI_BACKEND_URL"] == f"file://{yard.home}/pulumi"
    assert (yard.home / "pulumi").is_dir()


@pytest.mark.parametrize("name", ["PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"])
def test_a_backend_of_the_users_choice_stays(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "of the user")

    assert "PULUMI_BACKEND_URL" not in environment()


@pytest.mark.parametrize(
    ("credentials", "logged_in"),
    [
        ('{"current": "https://api.pulumi.com"}', True),
        ('{"current": ""}', False),
        ("[]", False),
        ("{", False),
    ],
)
def test_who_is_logged_in_keeps_the_login(yard: Yard, credentials: str, logged_in: bool) -> None:
    home = Path(os.environ["PULUMI_HOME"])
    home.mkdir()
    (home / "credentials.json").write_text(credentials)

    assert ("PULUMI_BACKEND_URL" not in environment()) is logged_in


def test_the_passphrase_is_made_once_and_for_the_owner_alone(yard: Yard) -> None:
    file = Path(environment()["PULUMI_CONFIG_PASSPHRASE_FILE"])
    first = file.read_text()
    environment()

    assert file.read_text() == first
    assert len(first) >= 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(f.name for f in yard.home.iterdir()) == ["passphrase", "pulumi"]


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_of_the_users_choice_stays(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")  # an empty passphrase is one too

    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment()
    assert not (yard.home / "passphrase").exists()
