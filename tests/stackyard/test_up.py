"""`stackyard up`: what it does in which state. The engine, Docker and kind are stand-ins here."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stackyard.cluster import LocalCluster
from stackyard.engine import Engine
from stackyard.project import Stack
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import KEY, FakeService
from tests.stackyard.fake_tools import FakeTools

NODE = "stackyard-dev-control-plane"
REGISTRY = "stackyard-dev-registry"
DEPLOYED = {"resources": [{"urn": "x::y::z::rag", "type": "kubernetes:apps/v1:Deployment"}]}


@pytest.fixture
def deployed(tools: FakeTools) -> FakeTools:
    """A stack that was brought up before."""
    stacks = {"dev": {"deployment": DEPLOYED, "outputs": tools.read()["outputs"]}}
    tools.change(stacks=stacks, containers={NODE: "running", REGISTRY: "running"})
    return tools


def test_the_first_up_ends_in_a_cited_answer_the_url_and_a_curl_line(
    tools: FakeTools, service: FakeService, invoke: Invoke
) -> None:
    done = invoke("up")

    assert done.exit_code == 0, done.output
    assert "How many days of paid vacation does an employee get each year?" in done.stdout
    assert "28 days of paid vacation" in done.stdout
    assert "employee-handbook.pdf, page 2" in done.stdout
    assert f"url   {service.url}" in done.stdout
    assert f"curl -s {service.url}/query/run" in done.stdout
    assert " key --stack dev)" in done.stdout


def test_the_key_is_not_printed_unless_asked_for(tools: FakeTools, invoke: Invoke) -> None:
    silent, shown = invoke("up"), invoke("up", "--show-key")

    assert KEY not in silent.output
    assert f"Bearer {KEY}" in shown.stdout


def test_json_has_the_answer_and_the_seconds_of_each_stage(
    tools: FakeTools, service: FakeService, invoke: Invoke
) -> None:
    done = invoke("up", "--json")

    report = json.loads(done.stdout)
    assert report["url"] == service.url
    assert report["changed"] == 1
    assert report["answer"]["citations"][0]["page"] == 2
    assert list(report["seconds"]) == [
        *("tools", "engine", "cluster", "pulumi up", "ready", "sample documents", "first question")
    ]


def test_what_runs_is_backed_up_before_anything_changes(
    deployed: FakeTools, service: FakeService, tmp_path: Path, invoke: Invoke
) -> None:
    file = tmp_path / "before.tar"
    service.busy = True

    failed = invoke("up", "--no-samples", "--backup", str(file))

    assert failed.exit_code == 1
    assert "Another backup or restore is running" in failed.output
    assert not any(call.startswith("pulumi up") for call in deployed.calls)
    assert not file.exists()

    service.busy = False
    done = invoke("up", "--no-samples", "--backup", str(file))

    assert done.exit_code == 0, done.output
    assert f"{file}: 0 document(s), 0 chunks, checked" in done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    again = invoke("up", "--backup", str(file))
    assert "name another file: stackyard up --backup FILE" in again.stderr


def test_samples_that_are_there_are_not_sent_again(
    tools: FakeTools, service: FakeService, invoke: Invoke
) -> None:
    invoke("up")
    service.jobs.clear()

    invoke("up")

    assert service.jobs == {}


def test_without_samples_nothing_is_uploaded_or_asked(
    tools: FakeTools, service: FakeService, invoke: Invoke
) -> None:
    done = invoke("up", "--no-samples")

    assert done.exit_code == 0
    assert (service.documents, service.questions) == ({}, [])


def test_the_kubeconfig_is_kept_for_this_user_only(
    tools: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")

    assert stack.kubeconfig.read_text() == "apiVersion: v1\n"
    assert stack.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_a_stopped_cluster_is_started_before_the_engine_runs(
    deployed: FakeTools, invoke: Invoke
) -> None:
    deployed.change(containers={NODE: "exited", REGISTRY: "exited"})

    done = invoke("up", "--no-samples")

    assert done.exit_code == 0, done.output
    calls = deployed.calls
    started = calls.index(f"docker start {NODE} {REGISTRY}")
    assert started < next(i for i, call in enumerate(calls) if call.startswith("pulumi up"))


def test_a_cluster_that_is_gone_is_made_anew_and_the_keys_are_kept(
    deployed: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    cluster = "urn:pulumi:dev::stackyard::stackyard:index:KindCluster::cluster"
    key = {"urn": "x::y::z::key", "type": "stackyard:index:Key", "dependencies": [cluster]}
    resources = [{"urn": cluster, "type": "x:KindCluster"}, *DEPLOYED["resources"], key]
    state = deployed.read()
    state["stacks"]["dev"]["deployment"] = {"resources": resources}
    deployed.write({**state, "containers": {}, "failure": "stop here"})

    done = invoke("up", "--no-samples")

    assert (
        "the cluster of stack dev is gone: making it anew; "
        f"its keys, and the documents in {stack.home}/volumes, are kept"
    ) in done.stderr
    left = deployed.read()["stacks"]["dev"]["deployment"]["resources"]
    assert [(each["urn"], each["dependencies"]) for each in left] == [(key["urn"], [])]


def test_a_cluster_that_no_finished_run_knows_is_left_to_the_engine(
    tools: FakeTools, invoke: Invoke
) -> None:
    tools.change(containers={NODE: "exited"}, api=False)

    done = invoke("up", "--no-samples")

    assert done.exit_code == 0, done.output
    changing = ("kind", "docker start", "docker rm")
    assert not any(call.startswith(changing) for call in tools.calls)


def test_an_api_that_does_not_come_back_is_said_with_the_way_out(
    deployed: FakeTools, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackyard.cluster.API_SECONDS", 0.0)
    deployed.change(api=False)

    done = invoke("up")

    assert done.exit_code == 1
    assert (
        "the Kubernetes API of stackyard-dev does not answer\n"
        f"hint: docker restart {NODE}, then the same command again\n"
    ) in done.stderr


def test_a_lost_registry_makes_the_engine_look_at_the_real_state(
    deployed: FakeTools, invoke: Invoke
) -> None:
    deployed.change(containers={NODE: "running"})

    invoke("up", "--no-samples")

    assert any(call.startswith("pulumi up --skip-preview --refresh") for call in deployed.calls)


def test_a_lock_of_a_dead_process_is_removed(deployed: FakeTools, invoke: Invoke) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    leave_lock(deployed, dead.pid, socket.gethostname())

    done = invoke("up", "--no-samples")

    assert done.exit_code == 0, done.output
    assert "removed the lock of a run that was killed" in done.stderr
    assert list(deployed.lock_folder.rglob("*.json")) == []


def test_a_lock_that_was_cut_off_is_removed(deployed: FakeTools, invoke: Invoke) -> None:
    path = leave_lock(deployed, 1, socket.gethostname())
    path.write_text('{"pid": 12')

    done = invoke("up", "--no-samples")

    assert done.exit_code == 0, done.output
    assert not path.exists()


def test_a_lock_of_a_living_run_is_waited_for_and_then_explained(
    deployed: FakeTools, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lock(deployed, 4711, "another-machine")
    monkeypatch.setattr("stackyard.engine.OTHER_RUN_SECONDS", 0)

    with pytest.raises(Exception, match="stack dev is held by another run, process 4711") as found:
        Engine(stack, deployed.environment).carry_on(lambda _text: None)

    assert "hint: wait for it, or end it with: kill -INT 4711" in str(found.value)
    assert list(deployed.lock_folder.rglob("*.json")) != []


def test_operations_that_a_killed_run_had_begun_are_taken_up(
    deployed: FakeTools, invoke: Invoke
) -> None:
    pending = {**DEPLOYED, "pending_operations": [{"type": "creating"}]}
    deployed.change(stacks={"dev": {"deployment": pending, "outputs": {}}})

    done = invoke("up", "--no-samples")

    assert "took up 1 operation(s) that a killed run had begun" in done.stderr


def test_a_failing_resource_is_named_with_the_engines_words(
    deployed: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    deployed.change(failure="ImagePullBackOff: no such image")

    done = invoke("up")

    assert done.exit_code == 1
    assert (
        "`pulumi up` of stack dev failed:\nDeployment rag: ImagePullBackOff: no such image\n"
        f"hint: the whole output is in {stack.home}/up.log; "
        "when the cause is gone run the same command again\n"
    ) in done.stderr
    assert "Traceback" not in done.output


def test_what_the_program_warns_of_is_shown(deployed: FakeTools, invoke: Invoke) -> None:
    deployed.change(warnings=["llm is reached in plain HTTP in spite of network.tls"])

    assert "warning: llm is reached in plain HTTP in spite of network.tls\n" in invoke("up").stderr


def test_a_port_in_use_is_named_with_its_user_and_the_setting(
    tools: FakeTools, stack: Stack, project: Path, invoke: Invoke
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack.settings_file.write_text(f"config:\n  stackyard:cluster:\n    port: {port}\n")

        done = invoke("up")

    assert done.exit_code == 1
    assert f"port {port} of stack dev (url) is in use" in done.stderr
    assert (
        "hint: end that process, or move the stack: "
        "pulumi config set --stack dev --path stackyard:cluster.port PORT"
    ) in done.stderr
    assert not any(call.startswith("pulumi up") for call in tools.calls)


def test_too_little_disk_is_said_before_anything_is_made(
    tools: FakeTools, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackyard.bringing_up.FREE_GIB", 10**9)

    done = invoke("up")

    assert done.exit_code == 1
    assert "a local stack needs 1000000000" in done.stderr
    assert "hint: free some space, or set STACKYARD_HOME to a folder on another disk" in done.stderr


def test_a_service_that_is_not_ready_says_what_is_missing(
    tools: FakeTools, service: FakeService, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackyard.bringing_up.READY_SECONDS", 0)
    service.missing = [{"name": "llm", "reason": "connection refused"}]

    done = invoke("up")

    assert done.exit_code == 1
    assert f"{service.url} was not ready within 0 s: llm: connection refused" in done.stderr
    assert "hint: stackyard status, then stackyard logs app" in done.stderr


def test_docker_that_stopped_in_the_middle_is_one_sentence(
    deployed: FakeTools, stack: Stack
) -> None:
    deployed.change(docker="stopped")

    with pytest.raises(Exception, match="Docker does not answer") as found:
        LocalCluster(stack, deployed.environment).nodes()

    assert str(found.value).endswith("hint: start Docker and run the same command again")


def test_an_odd_stack_name_is_refused(project: Path, invoke: Invoke) -> None:
    done = invoke("up", "--stack", "Dev/1")

    assert done.exit_code == 1
    assert done.stderr.startswith("--stack is 'Dev/1': it may have at most 30 of a-z, 0-9")


def test_a_settings_file_that_is_no_yaml_names_the_line(
    tools: FakeTools, stack: Stack, invoke: Invoke
) -> None:
    stack.settings_file.write_text("config:\n  a: [1\n")

    done = invoke("up")

    assert done.exit_code == 1
    assert f"{stack.settings_file} is not YAML line 3" in done.stderr


def test_an_interrupted_up_ends_the_engine_and_says_how_to_go_on(
    tmp_path: Path, project: Path
) -> None:
    slow = tmp_path / "bin" / "pulumi"
    slow.parent.mkdir()
    slow.write_text(
        f"#!{sys.executable}\n"
        "import signal, sys, time\nfrom pathlib import Path\n"
        "def end(*_):\n    Path(sys.argv[0] + '.interrupted').touch(); sys.exit(1)\n"
        "signal.signal(signal.SIGINT, end)\n"
        "Path(sys.argv[0] + '.started').touch()\ntime.sleep(60)\n"
    )
    slow.chmod(0o755)
    program = (
        "import os; from pathlib import Path; from stackyard.cli import explained;"
        "from stackyard.engine import Engine; from stackyard.project import Stack\n"
        "explained(lambda: print(Engine(Stack('dev', Path.cwd()), os.environ).up(print)))()"
    )
    path = f"{slow.parent}{os.pathsep}{os.environ['PATH']}"
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PATH": path, "PYTHONPATH": root},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not Path(f"{slow}.started").exists():
        assert process.poll() is None

    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)

    assert "stopped\nhint: run the same command again, it carries on from here" in said
    assert Path(f"{slow}.interrupted").exists()


def leave_lock(tools: FakeTools, pid: int, host: str) -> Path:
    path = tools.lock_folder / "dev" / "1234.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid, "hostname": host, "username": "root"}))
    return path
