"""`stackyard key`, `env`, `status`, `doctor`, and how every error reads."""

import errno
import json
import subprocess
from pathlib import Path

import pytest

from stackyard.errors import explain
from stackyard.serving import state
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import KEY, FakeService
from tests.stackyard.fake_tools import FakeTools


def test_key_prints_the_bare_key_of_a_stack(tools: FakeTools, invoke: Invoke) -> None:
    invoke("up", "--no-samples")

    assert invoke("key", "--stack", "dev").stdout == f"{KEY}\n"


def test_url_prints_the_address_of_a_stack(tools: FakeTools, invoke: Invoke) -> None:
    invoke("up", "--no-samples")

    done = invoke("url", "--stack", "dev")

    assert done.stdout.strip() == tools.read()["stacks"]["dev"]["outputs"]["url"]


def test_key_of_a_running_serve_comes_first(home: Path, invoke: Invoke) -> None:
    state.prepare()
    with state.held():
        state.record("http://127.0.0.1:1", {"app": 1})

        done = invoke("key")

    assert done.stdout.strip() == state.app_key_file().read_text()


def test_a_stack_that_was_never_up_says_what_to_do(tools: FakeTools, invoke: Invoke) -> None:
    done = invoke("ask", "A?", "--stack", "dev")

    assert done.exit_code == 1
    assert done.stderr == (
        "stack dev has no url: it is not up\nhint: stackyard up --stack dev, or: stackyard serve\n"
    )


def test_env_prints_lines_that_a_shell_takes(tools: FakeTools, invoke: Invoke) -> None:
    lines = invoke("env").stdout

    said = subprocess.run(
        ["bash", "-c", f'{lines}\necho "$KUBECONFIG|$PATH"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "/k|/a b\n"


def test_status_names_what_is_missing_and_fails(
    tools: FakeTools, service: FakeService, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")
    service.missing = [{"name": "qdrant", "reason": "refused"}]

    done = invoke("status", "--stack", "dev", "--json")

    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["missing"] == ["qdrant: refused"]
    assert found["containers"] == {
        "stackyard-dev-control-plane": "running",
        "stackyard-dev-registry": "running",
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"networkPolicyEnforced": true}', "enforced"),
        (
            '{"networkPolicyEnforced": false}',
            "not enforced: this machine's node image has no kindnetd",
        ),
        ("cut o", "not known before the first up"),
    ],
)
def test_status_says_whether_network_policies_are_enforced(
    tools: FakeTools, home: Path, invoke: Invoke, written: str, said: str
) -> None:
    invoke("up", "--no-samples")
    (home / "machine.json").write_text(written)

    done = invoke("status", "--stack", "dev", "--json")

    assert json.loads(done.stdout)["network policies"] == said


def test_status_of_a_stack_that_was_never_up_has_the_next_command(
    tools: FakeTools, invoke: Invoke
) -> None:
    done = invoke("status", "--stack", "dev")

    assert done.exit_code == 1
    assert "it is not up: stackyard up --stack dev" in done.stdout


def test_outside_of_a_clone_the_clone_that_the_command_came_from_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stackyard.project.PACKAGE", tmp_path / "installed")

    done = invoke("status", "--stack", "dev")

    assert done.stderr == (
        f"no Pulumi.yaml of stackyard in {tmp_path} or above it\n"
        "hint: cd into the clone of stackyard and run the same command again\n"
    )


def test_doctor_lists_each_thing_with_the_next_command(invoke: Invoke) -> None:
    done = invoke("doctor")

    assert "model weights of serve" in done.stdout
    assert "stackyard serve fetches them" in done.stdout


def test_a_full_disk_is_a_sentence() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/x")

    assert explain(error) == (
        "the disk is full (/data/x)\nhint: free some space and run the same command again"
    )


def test_a_command_that_failed_is_named_with_the_end_of_what_it_said() -> None:
    error = subprocess.CalledProcessError(2, ["kind", "create"], stderr="a\nb\n")

    assert explain(error) == "`kind create` ended with 2:\na\nb\nhint: stackyard doctor"


def test_what_nobody_foresaw_still_ends_in_a_hint() -> None:
    assert explain(KeyError("x")) == (
        "'x' (KeyError)\nhint: STACKYARD_DEBUG=1 in front of the command shows where"
    )


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    monkeypatch.setenv("STACKYARD_DEBUG", "1")

    done = invoke("ask", " ")

    assert done.exception is not None
    assert type(done.exception).__name__ == "Trouble"
