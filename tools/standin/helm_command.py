"""Runs the real helm; what is secret travels in files that only we can read."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.standin.errors import StandInError
from tools.standin.kubeconfig import Target
from tools.standin.secrecy import Redactor
from tools.standin.wire import Manifest

ERROR_LENGTH = 2000
STOP_SECONDS = 10


class HelmError(StandInError):
    """Helm refused; its own words are the message."""


@cache
def helm_path() -> str:
    """Return where helm is."""
    if found := shutil.which("helm"):
        return found
    message = "helm is not on PATH, a kubernetes:helm.sh/v3:Release needs it\nhint: make tools"
    raise HelmError(message)


@cache
def helm_major() -> int:
    """Return helm's major version: 4 spells some options another way."""
    done = subprocess.run(
        [helm_path(), "version", "--template", "{{.Version}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.strip().lstrip("v").partition(".")[0])


class Helm:
    """Helm against one cluster, in a folder of its own."""

    def __init__(
        self, folder: Path, target: Target | None, redactor: Redactor, stopped: threading.Event
    ) -> None:
        self._folder = folder
        self._redactor = redactor
        self._stopped = stopped
        self._environment = {
            **os.environ,
            "HELM_REPOSITORY_CONFIG": str(folder / "repositories.yaml"),
            "HELM_REPOSITORY_CACHE": str(folder / "repository"),
        }
        self._environment.pop("KUBECONFIG", None)
        self._access: list[str] = []
        if target is not None:
            kubeconfig = self.write("kubeconfig", target.text)
            self._access = ["--kubeconfig", str(kubeconfig), "--kube-context", target.context]

    def write(self, name: str, text: str) -> Path:
        """Write a file that only we can read."""
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def values_file(self, name: str, values: Any) -> Path:
        """Write values for --values."""
        return self.write(name, yaml.safe_dump(values))

    def run(
        self, *arguments: str, cluster: bool = True, stdin: str = "", folder: str | None = None
    ) -> str:
        """Run helm and return what it prints; stop it when the update is cancelled."""
        command = [helm_path(), *arguments, *(self._access if cluster else [])]
        with subprocess.Popen(
            command,
            env=self._environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            sent: str | None = stdin
            while True:
                try:
                    out, said = process.communicate(input=sent, timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    sent = None
                    if self._stopped.is_set():
                        self._end(process)
        if process.returncode:
            words = self._redactor.clean_log(said.strip() or out.strip())[-ERROR_LENGTH:]
            message = f"helm {arguments[0]}: {words}"
            raise HelmError(message)
        return out

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.terminate()  # helm marks the release as failed and goes
        end = time.monotonic() + STOP_SECONDS
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        if process.poll() is None:
            process.kill()

    def find(self, name: str, namespace: str) -> Manifest | None:
        """Return what helm knows of the release, its manifest too; or None."""
        place = (name, "--namespace", namespace)
        try:
            text = self.run("get", "metadata", *place, "--output", "json")
        except HelmError as error:
            if "not found" in str(error):
                return None
            raise
        return {**json.loads(text), "manifest": self.run("get", "manifest", *place)}


@contextmanager
def helm_for(target: Target | None, redactor: Redactor, stopped: threading.Event) -> Iterator[Helm]:
    """Give helm a folder of its own and remove it with all that was written there."""
    with tempfile.TemporaryDirectory(prefix="stackyard-helm-") as folder:
        yield Helm(Path(folder), target, redactor, stopped)
