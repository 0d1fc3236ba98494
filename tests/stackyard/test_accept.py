"""The acceptance journey over HTTP, and the Job that runs it in a cluster."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from stackyard import in_cluster
from stackyard.journey import QUESTIONS
from stackyard.project import Stack
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import KEY, FakeService
from tests.stackyard.fake_tools import FakeTools


def test_the_journey_passes_and_its_report_holds_the_evidence_of_each_step(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    report = tmp_path / "report.json"

    done = invoke(
        "accept", "--url", service.url, "--key-file", key_file, "--report", report, "--json"
    )

    assert done.exit_code == 0, done.output
    found = json.loads(report.read_text())
    assert json.loads(done.stdout) == found
    assert [step["passed"] for step in found["steps"]] == [True] * 8
    asked = found["steps"][4]["evidence"]
    assert (asked["asked"], len(asked["questions"])) == (10, 10)
    assert asked["right"] >= 7
    assert service.documents == {}


def test_the_table_has_a_row_for_each_step(
    service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    done = invoke("accept", "--url", service.url, "--key-file", key_file)

    assert done.stdout.count("passed") == 8


def test_an_invented_quote_fails_the_journey(
    service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    service.invents_quotes = True

    done = invoke("accept", "--url", service.url, "--key-file", key_file, "--json")

    assert done.exit_code == 1
    steps = json.loads(done.stdout)["steps"]
    assert steps[4]["said"] == "0 of 10 right, 7 are needed"
    assert [step["said"] for step in steps[5:]] == ["not reached"] * 3


def test_a_deleted_document_that_is_still_cited_fails_the_journey(
    service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    service.forgets_to_delete = True

    done = invoke("accept", "--url", service.url, "--key-file", key_file, "--json")

    last = json.loads(done.stdout)["steps"][-1]
    assert last["passed"] is False
    assert f"{QUESTIONS[0].text!r} still cites page 1 of acceptance-" in last["said"]


def test_a_service_that_is_gone_is_a_failed_step_and_not_a_traceback(
    key_file: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackyard.accept.READY_SECONDS", 0.0)

    done = invoke("accept", "--url", "http://127.0.0.1:1", "--key-file", key_file, "--json")

    assert done.exit_code == 1
    first = json.loads(done.stdout)["steps"][0]
    assert "http://127.0.0.1:1 was not ready within" in first["said"]


def test_a_stacks_inventory_is_in_the_report_and_a_missing_digest_fails(
    tools: FakeTools, service: FakeService, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")
    state = tools.read()
    bare = [{"name": "app", "reference": "r/app", "digest": ""}]
    state["stacks"]["dev"]["outputs"]["inventory"] = bare
    tools.write(state)

    done = invoke("accept", "--stack", "dev", "--from-here", "--json")

    report = json.loads(done.stdout)
    assert report["inventory"] == bare
    assert report["steps"][1]["said"] == "no digest is known of app"


def test_a_stack_without_an_inventory_fails(tools: FakeTools, invoke: Invoke) -> None:
    invoke("up", "--no-samples")

    done = invoke("accept", "--stack", "dev", "--from-here", "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["steps"][1]["said"] == "the stack exports no inventory"


def test_images_that_were_made_on_this_machine_may_have_a_tag_only(
    tools: FakeTools, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")
    state = tools.read()
    state["stacks"]["dev"]["outputs"]["inventory"] = [
        {"name": "app", "image": "r/app@sha256:1", "digest": "sha256:1"},
        {"name": "kind-node", "image": "localhost/node:1", "digest": None},
    ]
    tools.write(state)

    done = invoke("accept", "--stack", "dev", "--from-here", "--json")

    said = json.loads(done.stdout)["steps"][1]["said"]
    assert (done.exit_code, said) == (0, "1 images by digest; documents; by tag only: kind-node")


def test_the_modules_of_the_job_need_httpx_and_the_standard_library_only() -> None:
    folder = Path(in_cluster.__file__).parent
    imported = set()
    for name in in_cluster.MODULES:
        for node in ast.walk(ast.parse((folder / name).read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)

    ours = {name for name in imported if name.startswith("stackyard")}
    foreign = {name.split(".")[0] for name in imported - ours} - sys.stdlib_module_names
    assert foreign == {"httpx"}
    assert {f"{name.partition('.')[2]}.py" for name in ours} <= set(in_cluster.MODULES)


def test_the_job_runs_in_the_apps_image_under_restricted_pod_security(stack: Stack) -> None:
    pod = {"containers": [{"image": "registry/app@sha256:1"}], "imagePullSecrets": [{"name": "p"}]}
    selector = {"matchLabels": {"app.kubernetes.io/name": "rag"}}
    app = {"spec": {"selector": selector, "template": {"spec": pod}}}
    service = {"spec": {"ports": [{"port": 1416, "targetPort": 1416}]}}

    objects: list[Any] = [*in_cluster.manifests(stack, app, service, KEY, [])]

    kinds = [each["kind"] for each in objects]
    assert kinds == ["Secret", "ConfigMap", "NetworkPolicy", "NetworkPolicy", "Job"]
    assert {each["metadata"]["namespace"] for each in objects} == {"rag-dev"}
    spec = objects[-1]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "registry/app@sha256:1"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert KEY not in json.dumps(objects[1:])
    assert objects[3]["spec"]["podSelector"] == selector


def test_the_job_trusts_the_one_certificate_that_the_app_serves(stack: Stack) -> None:
    tls = {"name": "tls", "secret": {"secretName": "rag-tls"}}
    pod = {"containers": [{"image": "registry/app@sha256:1"}], "volumes": [tls]}
    app = {"spec": {"selector": {}, "template": {"spec": pod}}}
    service = {"spec": {"ports": [{"port": 1416}]}}

    objects: list[Any] = [*in_cluster.manifests(stack, app, service, KEY, [])]

    spec = objects[-1]["spec"]["template"]["spec"]
    command = spec["containers"][0]["command"]
    assert command[command.index("--url") + 1] == "https://rag:1416"
    assert command[command.index("--pin") + 1] == "/accept/tls.crt"
    assert spec["volumes"][0]["projected"]["sources"][-1] == {
        "secret": {"name": "rag-tls", "items": [{"key": "tls.crt", "path": "tls.crt"}]}
    }
