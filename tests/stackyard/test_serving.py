"""The parts of `serve` that need no model: processes, ports, keys, the one place that there is."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stackyard.serving import state
from stackyard.serving.parts import NAMES, Part, parts
from stackyard.serving.processes import (
    Died,
    Processes,
    choose_ports,
    is_free,
    running,
    wait_until_ended,
)
from tests.stackyard.conftest import Invoke

SLEEPER = "tests.stackyard.sleeper"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def prepared(home: Path) -> None:
    state.prepare()


def sleeper(name: str, **environment: str) -> Part:
    return Part(name, SLEEPER, {**os.environ, **environment}, "")


def test_no_process_is_left_after_the_block() -> None:
    with running([sleeper("models"), sleeper("app")]) as processes:
        pids = [process.pid for process in processes.running.values()]
        processes.check()

    assert [Path(f"/proc/{pid}").exists() for pid in pids] == [False, False]


def test_a_process_that_dies_is_named_with_the_end_of_its_log() -> None:
    with running([sleeper("app", SLEEPER_CODE="3")]) as processes:
        pid = processes.running["app"].pid
        processes.running["app"].wait()

        with pytest.raises(Died) as found:
            processes.check()

    assert str(found.value) == (
        f"the app process ended with 3; the end of its log:\nsleeper {pid}\n"
        f"hint: the whole log is in {state.log_file('app')}"
    )


def test_the_processes_end_with_a_serve_that_is_killed() -> None:
    program = (
        "import os, time; from stackyard.serving.processes import Processes;"
        "from tests.stackyard.test_serving import sleeper\n"
        "p = Processes(); p.start(sleeper('app'))\n"
        "print(p.running['app'].pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while "sleeper" not in state.log_file("app").read_text():  # it has become what it shall be
        assert parent.poll() is None

    parent.kill()
    parent.communicate()

    assert wait_until_ended(child, 10)


def test_the_ports_of_the_last_run_are_taken_again_where_they_are_free() -> None:
    before = choose_ports(NAMES, {}, None)
    with socket.create_server(("127.0.0.1", before["models"])):
        after = choose_ports(NAMES, before, None)

    assert after["app"] == before["app"]
    assert after["models"] != before["models"]
    assert len(set(after.values())) == len(NAMES)


def test_a_chosen_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(Exception, match=f"--port is {port}: another process listens there"):
            choose_ports(NAMES, {}, port)
    assert is_free(port)


def test_keys_are_made_once_and_only_this_user_can_read_them() -> None:
    first = state.app_key_file().read_text()
    state.prepare()

    assert state.app_key_file().read_text() == first
    assert first != state.qdrant_key_file().read_text()
    modes = {path.stat().st_mode & 0o777 for path in (state.folder() / "keys").iterdir()}
    assert modes == {0o600}


def test_only_one_serve_runs_and_the_other_is_told_where_it_is() -> None:
    with state.held():
        state.record("http://127.0.0.1:4242", {"app": 4242})
        found = state.running()
        assert found is not None
        assert found.url == "http://127.0.0.1:4242"

        with pytest.raises(Exception, match="serve runs already at") as said:
            state.held().__enter__()

    assert str(said.value) == (
        f"serve runs already at http://127.0.0.1:4242, process {os.getpid()}\n"
        "hint: stackyard ask, or end it with: stackyard serve --stop"
    )
    assert state.running() is None


def test_a_serve_that_was_killed_is_not_taken_for_a_running_one() -> None:
    state.record("http://127.0.0.1:4242", {"app": 4242})  # and no lock is held

    assert state.running() is None


def test_a_record_that_was_cut_off_counts_as_none() -> None:
    (state.folder() / "serve.json").write_text('{"pid": 1')

    assert state.last() is None


def test_the_parts_listen_on_the_loopback_interface_only() -> None:
    started = parts({"models": 1, "qdrant": 2, "app": 3})

    hosts = [
        part.environment[key] for part in started for key in part.environment if "_HOST" in key
    ]
    ours = [host for host in hosts if host == "127.0.0.1"]
    assert len(ours) == len(started)


def test_settings_of_the_shell_do_not_reach_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_LLM_URL", "http://elsewhere/v1")
    monkeypatch.setenv("RAG_TYPO", "1")

    app = parts({"models": 1, "qdrant": 2, "app": 3})[2].environment

    assert app["RAG_LLM_URL"] == "http://127.0.0.1:1/v1"
    assert "RAG_TYPO" not in app


def test_stopping_where_nothing_runs_says_so(invoke: Invoke) -> None:
    done = invoke("serve", "--stop")

    assert done.exit_code == 0
    assert done.stderr == "nothing to stop: serve does not run\n"


def test_a_process_that_ignores_the_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackyard.serving.processes.STOP_SECONDS", 0.2)
    processes = Processes()
    processes.start(sleeper("app", SLEEPER_DEAF="1"))
    process = processes.running["app"]
    while "sleeper" not in state.log_file("app").read_text():
        processes.check()

    processes.stop()

    assert process.returncode == -signal.SIGKILL
