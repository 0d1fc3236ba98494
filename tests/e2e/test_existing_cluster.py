"""`cluster.kind: existing` on the journey's own cluster, which plays the cluster that a user has.

Two things are the tests' own: a program that takes images built on this machine where a user's
cluster would pull them, and the stand-in provider on PATH, which our commands never put there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.yard import ROOT, Yard
from tools.standin.install import plugin_directory

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

PROGRAM = """
from infra import program

program.Machine = program.load_machine
program.deploy()
"""


@dataclass(frozen=True)
class Team:
    """A stack in a folder of its own, as a team with its own clone has one."""

    project: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def pulumi(self, *arguments: str) -> str:
        return self.run("pulumi", *arguments, "--stack", "team", "--non-interactive")

    def stackyard(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "stackyard", *arguments, "--stack", "team")


@pytest.fixture(scope="module")
def team(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    project = tmp_path_factory.mktemp("team")
    text = (ROOT / "Pulumi.yaml").read_text()
    venv = Path(sys.executable).parents[1]
    (project / "Pulumi.yaml").write_text(text.replace("virtualenv: .venv", f"virtualenv: {venv}"))
    (project / "__main__.py").write_text(PROGRAM)
    shell = yard.shell_environment()
    registry = next(i["image"] for i in yard.outputs()["inventory"] if i["name"] == "app")
    settings: dict[str, Any] = {
        "stackyard:cluster": {
            "kind": "existing",
            "kubeconfig": shell["KUBECONFIG"],
            "context": f"kind-stackyard-{yard.stack}",
            "storageClass": "stackyard",
        },
        "stackyard:registry": {"host": registry.partition("/")[0], "prefix": "team"},
    }
    (project / "Pulumi.team.yaml").write_text(json.dumps({"config": settings}))
    path = os.pathsep.join([str(plugin_directory()), shell["PATH"]])
    changed = {"PATH": path, "PYTHONPATH": str(ROOT), "KUBECONFIG": "/nowhere"}
    team = Team(project, shell | changed)
    team.run("pulumi", "stack", "init", "team")
    yield team
    team.stackyard("down", "--delete-data", "--yes")
    shutil.rmtree(yard.home / "stacks" / "team", ignore_errors=True)


def test_the_same_program_deploys_to_a_cluster_that_is_there(team: Team, yard: Yard) -> None:
    team.pulumi("up", "--yes", "--skip-preview")

    url = json.loads(team.pulumi("stack", "output", "--json"))["url"]
    report = json.loads(team.stackyard("accept", "--json"))

    assert url == "http://rag.rag-team.svc:1416"
    assert report["passed"], report
    inside = {name["metadata"]["name"] for name in yard.objects("namespaces")}
    assert {"rag-team", "models-team", f"rag-{yard.stack}"} <= inside
