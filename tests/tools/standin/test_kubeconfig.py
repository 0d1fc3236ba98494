"""Kubeconfigs: as text, as paths, with every kind of credential."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.standin.errors import StandInError
from tools.standin.kubeconfig import Target, bearer_token, exec_credential, read_target


def config(user: dict[str, Any] | None = None) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1/"}}],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [
                {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "n"}},
                {"name": "two", "context": {"cluster": "c"}},
            ],
            "current-context": "one",
        }
    )


def target(text: str, context: str | None = None) -> Target:
    found = read_target(text, context)
    assert found is not None
    return found


def test_content_and_path_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(config())

    by_path, by_text = target(str(path)), target(config())

    assert (by_path.server, by_path.namespace) == ("https://127.0.0.1:1", "n")
    assert by_text == Target(**{**by_path.__dict__, "folder": by_text.folder})


def test_a_path_that_is_not_there_is_no_kubeconfig(tmp_path: Path) -> None:
    assert read_target(str(tmp_path / "none")) is None


def test_without_a_setting_the_environment_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(config())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    found = read_target(None)

    assert found is not None
    assert found.context == "one"


def test_the_context_setting_chooses(tmp_path: Path) -> None:
    assert target(config(), "two").namespace == "default"


def test_an_unknown_context_names_the_known_ones() -> None:
    with pytest.raises(StandInError, match='no context "three", it has "one", "two"\nhint:'):
        read_target(config(), "three")


def test_what_is_not_yaml_is_refused_without_its_text() -> None:
    with pytest.raises(StandInError, match="is not YAML at line 2") as caught:
        read_target("a: [secret-key\nb: }")

    assert "secret-key" not in str(caught.value)


def test_a_token_comes_from_the_file_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    path = tmp_path / "config"
    path.write_text(config({"tokenFile": "token"}))

    assert bearer_token(target(str(path))) == "from-file"


def test_an_exec_plugin_is_run_and_its_token_used() -> None:
    script = 'import json, os; print(json.dumps({"status": {"token": os.environ["GIVEN"]}}))'
    plugin = {
        "command": sys.executable,
        "args": ["-c", script],
        "env": [{"name": "GIVEN", "value": "from-plugin"}],
    }
    chosen = target(config({"exec": plugin}))

    assert bearer_token(chosen, exec_credential(chosen)) == "from-plugin"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/no/such/plugin"], "is not on PATH\nhint: install it so"),
        ([sys.executable, "-c", "import sys; sys.exit('logged out')"], "failed: logged out"),
        ([sys.executable, "-c", "print('hello')"], "printed no credential"),
    ],
)
def test_a_failing_exec_plugin_says_how(command: list[str], said: str) -> None:
    plugin = {"command": command[0], "args": command[1:], "installHint": "install it so"}

    with pytest.raises(StandInError, match=said):
        exec_credential(target(config({"exec": plugin})))
