"""One of our example stacks through the real engine, its providers doubles that touch nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from stackyard import machine
from stackyard.project import Stack
from tests.stacks.test_stacks import NEEDED
from tools import toolchain

ROOT = Path(__file__).parents[3]
DOUBLES = ("aws", "kubernetes", "pulumi-python")


class Driver:
    """One of our example stacks in a project folder and a state of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        toolchain.ensure()
        self.name, self.log = name, folder / "calls.jsonl"
        self.project = folder / "project"
        plugins = folder / "plugins"
        for each in (self.project, folder / "state", plugins, folder / ".kube"):
            each.mkdir()
        (folder / ".kube/config").write_text("{}")
        for package in DOUBLES:
            executable = plugins / f"pulumi-resource-{package}"
            executable.write_text(
                f"#!/bin/sh\nexec {sys.executable} -m tests.stacks.doubles.provider {package}\n"
            )
            executable.chmod(0o755)
        declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        declared["runtime"]["options"]["virtualenv"] = sys.prefix
        (self.project / "Pulumi.yaml").write_text(yaml.safe_dump(declared))
        shutil.copy(ROOT / "__main__.py", self.project)
        shutil.copy(ROOT / f"examples/Pulumi.{name}.yaml", self.project)
        tools = machine.environment(Stack(name, self.project))
        self.environment = {
            **tools,
            "PATH": f"{plugins}{os.pathsep}{tools['PATH']}",
            "HOME": str(folder),
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PYTHONPATH": str(ROOT),
            "DOUBLE_LOG": str(self.log),
        }
        self.pulumi("stack", "init", name)
        for key, value in NEEDED.get(name, {}).items():
            self.pulumi("config", "set", "--secret", f"stackyard:{key}", value)

    def _run(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def pulumi(self, *arguments: str) -> str:
        code, text = self._run(*arguments)
        assert code == 0, text
        return text

    def refused(self, *arguments: str) -> str:
        """Return what the engine says of what it does not do."""
        code, text = self._run(*arguments)
        assert code != 0, text
        return text

    def set(self, path: str, value: str) -> None:
        self.pulumi("config", "set", "--path", f"stackyard:{path}", value)

    def up(self, *, preview: bool = False) -> str:
        return self.pulumi("up", "--yes", *(() if preview else ("--skip-preview",)))

    def destroy(self) -> None:
        self.pulumi("state", "unprotect", "--all", "--yes")
        self.pulumi("destroy", "--yes", "--skip-preview")

    def lines(self) -> list[dict[str, str]]:
        """Return each change since the last `calls`: method, urn and id."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def calls(self) -> list[tuple[str, str]]:
        """Return method and name of each change since the last question, in order."""
        lines = self.lines()
        self.log.unlink(missing_ok=True)
        return [(line["method"], _name(line["urn"])) for line in lines]


def _name(urn: str) -> str:
    kind, _, name = urn.split("::", 2)[2].rpartition("::")
    return f"{kind.rpartition(':')[2]} {name}"
