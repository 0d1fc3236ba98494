"""A stack on the journey's cluster, which plays the cluster that a team has.

Two things are the tests' own: a program that takes images built on this machine where a user's
cluster would pull them, and the stand-in provider on PATH, which our commands never put there.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.yard import ROOT, Yard
from tools.standin.install import plugin_directory

PROGRAM = """
from infra import program

program.Machine = program.load_machine
program.deploy()
"""


@dataclass(frozen=True)
class Team:
    """A stack in a folder of its own, as a team with its own clone has one."""

    name: str
    project: Path
    environment: dict[str, str]

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command in the folder; return what it printed, both streams where it fails."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr if fails else done.stdout

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        command = ("pulumi", *arguments, "--stack", self.name, "--non-interactive")
        return self.run(*command, fails=fails)

    def stackyard(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "stackyard", *arguments, "--stack", self.name)


def make_team(yard: Yard, project: Path, name: str, **settings: dict[str, Any]) -> Team:
    """Return a new stack of kind existing on the journey's cluster and in its registry."""
    text = (ROOT / "Pulumi.yaml").read_text()
    venv = Path(sys.executable).parents[1]
    (project / "Pulumi.yaml").write_text(text.replace("virtualenv: .venv", f"virtualenv: {venv}"))
    (project / "__main__.py").write_text(PROGRAM)
    shell = yard.shell_environment()
    cluster = {
        "kind": "existing",
        "kubeconfig": shell["KUBECONFIG"],
        "context": f"kind-stackyard-{yard.stack}",
        "storageClass": "stackyard",
        **settings.pop("cluster", {}),
    }
    registry = {"host": image_of(yard, "app").partition("/")[0], "prefix": name}
    given = {"cluster": cluster, "registry": registry, **settings}
    config = {f"stackyard:{noun}": value for noun, value in given.items()}
    (project / f"Pulumi.{name}.yaml").write_text(json.dumps({"config": config}))
    path = os.pathsep.join([str(plugin_directory()), shell["PATH"]])
    changed = {"PATH": path, "PYTHONPATH": str(ROOT), "KUBECONFIG": "/nowhere"}
    team = Team(name, project, shell | changed)
    team.run("pulumi", "stack", "init", name)
    return team


def image_of(yard: Yard, name: str) -> str:
    """Return the reference, by digest, of an image that the journey's stack runs."""
    return str(next(i["image"] for i in yard.outputs()["inventory"] if i["name"] == name))
