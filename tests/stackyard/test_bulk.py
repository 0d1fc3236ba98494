"""`stackyard ingest --bulk`: helpers for the time of a load; kubectl is a stand-in here."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import FakeService
from tests.stackyard.fake_tools import FakeTools

TEMPLATE: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "rag-bulk", "namespace": "rag-dev", "uid": "u-1"},
    "spec": {
        "jobTemplate": {
            "metadata": {"labels": {"app.kubernetes.io/name": "rag-bulk"}},
            "spec": {"completionMode": "Indexed", "parallelism": 3, "completions": 3},
        }
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "papers"
    made.mkdir()
    for number in range(3):
        (made / f"{number}.txt").write_text(f"Number {number}.")
    return made


def test_helpers_come_for_the_load_and_go_after_it(
    tools: FakeTools, service: FakeService, folder: Path, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")
    tools.change(cronjobs={"rag-bulk": TEMPLATE})

    done = invoke("ingest", folder, "--bulk", "--stack", "dev", "--json")

    assert done.exit_code == 0, done.output
    assert [row["status"] for row in json.loads(done.stdout)] == ["done"] * 3
    made = tools.read()["made"]
    assert made["kind"] == "Job"
    assert made["spec"] == TEMPLATE["spec"]["jobTemplate"]["spec"]
    assert made["metadata"]["name"].startswith("rag-bulk-")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert "1 of 3 helpers were there at the end" in done.stderr
    assert tools.read()["jobs"] == {}


def test_helpers_go_where_the_load_breaks_off(
    tools: FakeTools, service: FakeService, folder: Path, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")
    tools.change(cronjobs={"rag-bulk": TEMPLATE})
    state = tools.read()
    state["stacks"]["dev"]["outputs"]["apiKey"] = "wrong"
    tools.write(state)

    done = invoke("ingest", folder, "--bulk", "--stack", "dev")

    assert done.exit_code == 1
    assert done.stderr.count("the service refuses the key") == 1
    assert tools.read()["made"]["kind"] == "Job"
    assert tools.read()["jobs"] == {}


def test_a_stack_without_helpers_says_which_setting_brings_them(
    tools: FakeTools, service: FakeService, folder: Path, invoke: Invoke
) -> None:
    invoke("up", "--no-samples")

    done = invoke("ingest", folder, "--bulk")

    assert done.exit_code == 1
    assert done.stderr.endswith(
        "stack dev has no helpers for bulk loads: app.bulkWorkers is 0\n"
        "hint: pulumi config set --stack dev --path stackyard:app.bulkWorkers 4,"
        " then stackyard up --stack dev\n"
    )
    assert service.documents == {}


def test_an_address_alone_has_no_helpers(
    service: FakeService, key_file: Path, folder: Path, invoke: Invoke
) -> None:
    done = invoke("ingest", folder, "--bulk", "--url", service.url, "--key-file", key_file)

    assert done.exit_code == 1
    assert done.stderr.startswith("--bulk brings up helpers in a stack's cluster")
