"""A stack of the tests' own: real engine, real kind cluster, a state folder of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
CHANGING = frozenset(("up", "down", "destroy", "refresh"))  # verbs of stackyard and pulumi


class CommandFailed(AssertionError):
    """A command of the journey ended in an error; the text holds all that it printed."""


@dataclass(frozen=True)
class Yard:
    """One stack under one STACKYARD_HOME, driven as a user would: by commands and HTTP."""

    stack: str
    home: Path
    # what was asked of the stack and holds until it changes: each asking takes seconds
    _known: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "STACKYARD_"))}
        cache = os.environ.get("STACKYARD_CACHE")
        kept |= {"STACKYARD_CACHE": cache} if cache else {}
        return kept | {"STACKYARD_HOME": str(self.home), "COLUMNS": "200"}

    def stackyard(
        self, *arguments: str, fails: bool = False, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """Run `stackyard VERB --stack STACK ...` and return what it printed."""
        verb, *rest = arguments
        command = [sys.executable, "-m", "stackyard", verb, "--stack", self.stack, *rest]
        if verb in CHANGING:
            self._known.clear()
        return self._run(command, fails=fails, timeout=timeout)

    def make(self, target: str) -> None:
        """Run one of the README's commands for this stack, its output shown."""
        command = ["make", "-C", str(ROOT), target, f"STACK={self.stack}"]
        self._known.clear()
        subprocess.run(command, env=self.environment, check=True, timeout=3600)

    def start(self, verb: str) -> "subprocess.Popen[bytes]":
        """Start `stackyard VERB` and return at once."""
        command = [sys.executable, "-m", "stackyard", verb, "--stack", self.stack]
        self._known.clear()
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL)

    def nodes(self) -> list[str]:
        """Return the stack's kind nodes; none while there is no Docker yet."""
        docker = shutil.which("docker", path=f"{self.home / 'bin'}:{os.environ['PATH']}")
        if docker is None:
            return []
        label = f"label=io.x-k8s.kind.cluster=stackyard-{self.stack}"
        command = [docker, "ps", "--all", "--quiet", "--filter", label]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()

    def tool(
        self, *command: str, fails: bool = False, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool (pulumi, docker, kubectl) in the shell that `stackyard env` makes."""
        settings = self.shell_environment()
        return self._run(list(command), fails=fails, timeout=timeout, settings=settings)

    def shell_environment(self) -> dict[str, str]:
        """Return what the shell that `stackyard env` makes has in its environment."""
        if "shell" not in self._known:
            made = f'eval "$({sys.executable} -m stackyard env --stack {self.stack})" && env --null'
            command = ["bash", "-c", made]
            entries = self._run(command, fails=False, timeout=60).stdout.split("\0")
            self._known["shell"] = dict(entry.split("=", 1) for entry in entries if entry)
        return dict(self._known["shell"])

    def shell(self, script: str, settings: dict[str, str]) -> None:
        """Run lines of a shell in the clone; the first one that fails fails."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        self._known.clear()
        self._run(command, fails=False, timeout=600, settings=settings)

    def pulumi(self, *arguments: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        if arguments[0] in CHANGING:
            self._known.clear()
        return self.tool("pulumi", *arguments, "--stack", self.stack, fails=fails)

    def kubectl(self, *arguments: str) -> str:
        return self.tool("kubectl", *arguments).stdout

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *arguments, "-o", "json"))[
            "items"
        ]
        return found

    def outputs(self) -> dict[str, Any]:
        if "outputs" not in self._known:
            shown = self.pulumi("stack", "output", "--json", "--show-secrets").stdout
            self._known["outputs"] = json.loads(shown)
        return dict(self._known["outputs"])

    def client(self) -> httpx.Client:
        """Return a client of the exported URL with the exported key."""
        outputs = self.outputs()
        headers = {"Authorization": f"Bearer {outputs['apiKey']}"}
        return httpx.Client(base_url=outputs["url"], headers=headers, timeout=60)

    def _run(
        self,
        command: list[str],
        *,
        fails: bool,
        timeout: float,
        settings: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment | (settings or {}),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if (done.returncode != 0) != fails:
            said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            message = f"`{' '.join(command[-6:])}` ended with {done.returncode}:\n{said}"
            raise CommandFailed(message)
        return done
