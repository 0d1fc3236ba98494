"""The containers of a local stack: its kind nodes and its registry, by Docker and kind."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from stackyard.errors import Trouble
from stackyard.progress import Tell
from stackyard.project import Stack

API_SECONDS = 180
NODE_LABEL = "io.x-k8s.kind.cluster"


@dataclass(frozen=True)
class Container:
    """One container of a stack."""

    name: str
    running: bool


class LocalCluster:
    """What Docker has of a stack; every method may be called in every state."""

    def __init__(self, stack: Stack, environment: Mapping[str, str]) -> None:
        self.stack = stack
        self.environment = dict(environment)

    def docker_answers(self) -> bool:
        try:
            self._docker("version", "--format", "{{.Server.Version}}")
        except (Trouble, subprocess.CalledProcessError):
            return False
        return True

    def nodes(self) -> list[Container]:
        return self._containers(f"label={NODE_LABEL}={self.stack.cluster}")

    def registry(self) -> list[Container]:
        return self._containers(f"name=^/{self.stack.registry}$")

    def start(self) -> bool:
        """Start what `down` stopped; say whether there was anything to start."""
        stopped = [each.name for each in self.nodes() + self.registry() if not each.running]
        if stopped:
            self._docker("start", *stopped)
        return bool(stopped)

    def stop(self) -> list[str]:
        """Stop the containers and keep them, and the data in them."""
        running = [each.name for each in self.nodes() + self.registry() if each.running]
        if running:
            self._docker("stop", "--time", "30", *running)
        return running

    def remove(self) -> None:
        """Delete the cluster, the registry and its volume; absent ones are no error."""
        if self.nodes():
            self._run(["kind", "delete", "cluster", "--name", self.stack.cluster])
        for container in self.registry():
            self._docker("rm", "--force", "--volumes", container.name)
        volumes = self._docker("volume", "ls", "--quiet").split()
        if self.stack.registry in volumes:
            self._docker("volume", "rm", self.stack.registry)

    def wait_for_api(self, tell: Tell, seconds: float | None = None) -> bool:
        """Wait until the API server in the node says that it is ready; False where it does not."""
        end = time.monotonic() + (API_SECONDS if seconds is None else seconds)
        node = f"{self.stack.cluster}-control-plane"
        config = "--kubeconfig=/etc/kubernetes/admin.conf"
        while time.monotonic() < end:
            try:
                self._docker("exec", node, "kubectl", config, "get", "--raw", "/readyz")
                return True
            except subprocess.CalledProcessError:
                tell("waiting for the Kubernetes API")
                time.sleep(0.5)
        return False

    def others_running(self) -> list[str]:
        """Return the running stackyard containers of other stacks."""
        mine = {each.name for each in self.nodes() + self.registry()}
        everything = self._containers(f"label={NODE_LABEL}") + self._containers("name=^/stackyard-")
        return sorted({each.name for each in everything if each.running} - mine)

    def _containers(self, condition: str) -> list[Container]:
        listed = self._docker(
            "ps", "--all", "--filter", condition, "--format", "{{.Names}} {{.State}}"
        )
        rows = (line.split() for line in listed.splitlines())
        return [Container(row[0], row[1] == "running") for row in rows if len(row) == 2]

    def _docker(self, *arguments: str) -> str:
        return self._run(["docker", *arguments])

    def _run(self, command: list[str]) -> str:
        if shutil.which(command[0], path=self.environment.get("PATH")) is None:
            message = f"{command[0]} is not on this machine"
            raise Trouble(message, "stackyard tools, or without containers: stackyard serve")
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and "Cannot connect to the Docker daemon" in done.stderr:
            message = "Docker does not answer"
            raise Trouble(message, "start Docker and run the same command again")
        done.check_returncode()
        return done.stdout
