"""`stackyard down`: what is stopped, kept, deleted. The engine, Docker, kind are stand-ins."""

import pytest

from stackyard.project import Stack
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_tools import FakeTools

NODE = "stackyard-dev-control-plane"
REGISTRY = "stackyard-dev-registry"


@pytest.fixture
def up(tools: FakeTools, invoke: Invoke) -> FakeTools:
    """A stack that is up, with a registry's volume."""
    assert invoke("up", "--no-samples").exit_code == 0
    tools.change(volumes=[REGISTRY, "somebody-elses"])
    return tools


def test_down_stops_the_containers_and_keeps_them(up: FakeTools, invoke: Invoke) -> None:
    done = invoke("down")

    assert done.exit_code == 0, done.output
    assert up.read()["containers"] == {NODE: "exited", REGISTRY: "exited"}
    assert up.read()["docker"] == "stopped"
    assert "the data is kept, stackyard up --stack dev brings it back" in done.stderr


def test_down_leaves_docker_to_another_stack(up: FakeTools, invoke: Invoke) -> None:
    containers = {**up.read()["containers"], "stackyard-two-control-plane": "running"}
    up.change(containers=containers)

    invoke("down")

    assert up.read()["containers"]["stackyard-two-control-plane"] == "running"
    assert "docker" not in up.read()


def test_down_a_second_time_is_no_error(up: FakeTools, invoke: Invoke) -> None:
    invoke("down")

    assert invoke("down").exit_code == 0


def test_deleting_removes_everything_of_the_stack_and_nothing_else(
    up: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    done = invoke("down", "--delete-data", "--yes")

    assert done.exit_code == 0, done.output
    left = up.read()
    assert (left["containers"], left["volumes"], left["stacks"]) == ({}, ["somebody-elses"], {})
    assert not stack.home.exists()
    assert "pulumi state unprotect --all --yes --non-interactive --color never --stack dev" in (
        up.calls
    )
    assert "stack dev is gone, nothing of it is left" in done.stderr


def test_deleting_takes_the_salt_back_out_of_the_settings(
    up: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    invoke("down", "--delete-data", "--yes")

    assert stack.settings_file.read_text() == "config:\n  stackyard:x: 1\n"


def test_the_salt_stays_where_a_secret_needs_it(
    up: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    text = "encryptionsalt: v1:abc\nconfig:\n  stackyard:nvidiaApiKey:\n    secure: v1:xyz\n"
    stack.settings_file.write_text(text)

    invoke("down", "--delete-data", "--yes")

    assert stack.settings_file.read_text() == text


def test_deleting_asks_first_and_no_leaves_all_as_it_was(up: FakeTools, invoke: Invoke) -> None:
    before = up.read()

    done = invoke("down", "--delete-data", given="n\n")

    assert done.exit_code == 1
    assert "delete stack dev, its documents and all its data?" in done.stderr
    assert up.read() == before


def test_a_cluster_that_does_not_answer_is_deleted_all_the_same(
    up: FakeTools, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackyard.bringing_down.WAKE_SECONDS", 0)
    up.change(api=False)

    done = invoke("down", "--delete-data", "--yes")

    assert done.exit_code == 0, done.output
    assert (up.read()["containers"], up.read()["stacks"]) == ({}, {})
    assert not any(call.startswith("pulumi destroy") for call in up.calls)


def test_a_cluster_that_is_not_ours_is_not_stopped(
    up: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    stack.settings_file.write_text("config:\n  stackyard:cluster:\n    kind: existing\n")

    done = invoke("down")

    assert done.exit_code == 1
    assert done.stderr == (
        "stack dev runs on a cluster that is not ours to stop\n"
        "hint: stackyard down --delete-data --stack dev removes it from there\n"
    )
