"""Where the program is, which stack is meant, and the names and ports that derive from it."""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from stackyard.errors import Trouble
from tools.paths import home_dir

NAME = "stackyard"
STACK = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")  # it becomes part of namespace names
PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stack:
    """A stack of the program in one folder, and everything that derives from its name."""

    name: str
    project: Path

    @property
    def settings_file(self) -> Path:
        return self.project / f"Pulumi.{self.name}.yaml"

    @property
    def settings(self) -> dict[str, object]:
        """Return the stack's configuration, without the project's prefix."""
        return {
            key.removeprefix(f"{NAME}:"): value
            for key, value in _config(self.settings_file).items()
            if key.startswith(f"{NAME}:")
        }

    def cluster_setting(self, name: str) -> object | None:
        """Return a member of `cluster`, which may also be written as a key of its own."""
        settings = self.settings
        cluster = settings.get("cluster")
        nested = cluster.get(name) if isinstance(cluster, dict) else None
        return nested if nested is not None else settings.get(f"cluster.{name}")

    @property
    def cluster_kind(self) -> str:
        return str(self.cluster_setting("kind") or "local")

    @property
    def is_local(self) -> bool:
        return self.cluster_kind == "local"

    @property
    def is_sealed(self) -> bool:
        return str(self.settings.get("airgapped", "")).lower() == "true"

    @property
    def cluster(self) -> str:
        return f"stackyard-{self.name}"

    @property
    def registry(self) -> str:
        return f"stackyard-{self.name}-registry"

    @property
    def app_namespace(self) -> str:
        return f"rag-{self.name}"

    @property
    def models_namespace(self) -> str:
        return f"models-{self.name}"

    @property
    def kubectl(self) -> list[str]:
        """Return the command that means the stack's cluster, whatever the shell's context is."""
        if self.is_local:
            return ["kubectl", "--kubeconfig", str(self.kubeconfig)]
        kubeconfig = self.cluster_setting("kubeconfig") or "~/.kube/config"
        command = ["kubectl", "--kubeconfig", str(Path(str(kubeconfig)).expanduser())]
        context = self.cluster_setting("context")
        return [*command, "--context", str(context)] if context else command

    @property
    def base_port(self) -> int:
        chosen = self.cluster_setting("port")
        if chosen is None:
            return 20000 + 10 * (zlib.crc32(self.name.encode()) % 1000)
        if not isinstance(chosen, int | str) or not str(chosen).isdecimal():
            message = f"stackyard:cluster.port is {chosen!r}: it must be a number up to 65533"
            command = f"pulumi config set --stack {self.name} --path stackyard:cluster.port 27310"
            raise Trouble(message, command)
        return int(chosen)

    @property
    def ports(self) -> dict[str, int]:
        return {"url": self.base_port, "api": self.base_port + 1, "registry": self.base_port + 2}

    @property
    def home(self) -> Path:
        """Return the stack's folder on this machine: kubeconfig, logs of the engine."""
        return home_dir() / "stacks" / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"


def find(name: str) -> Stack:
    """Return the stack of that name, of the program found from the current folder upwards."""
    if not STACK.fullmatch(name):
        message = f"--stack is {name!r}: it may have at most 30 of a-z, 0-9 and inner hyphens"
        raise Trouble(message, "stackyard status --stack dev")
    return Stack(name, find_project())


def find_project() -> Path:
    """Return the folder of our Pulumi.yaml: here, above, or where this command comes from."""
    here = Path.cwd()
    for folder in (here, *here.parents, PACKAGE):
        if _is_ours(folder / "Pulumi.yaml"):
            return folder
    message = f"no Pulumi.yaml of stackyard in {here} or above it"
    raise Trouble(message, "cd into the clone of stackyard and run the same command again")


def _is_ours(path: Path) -> bool:
    return path.is_file() and _mapping(path).get("name") == NAME


def _config(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    config = _mapping(path).get("config") or {}
    if not isinstance(config, dict):
        message = f"{path}: config is not a mapping"
        raise Trouble(
            message, f"compare it with Pulumi.dev.yaml, then: pulumi config --stack {path}"
        )
    return {str(key): value for key, value in config.items()}


def _mapping(path: Path) -> dict[str, object]:
    try:
        read = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        message = f"{path} is not YAML{line}"
        raise Trouble(
            message, f"correct{line} of {path.name} and run the same command again"
        ) from None
    return read if isinstance(read, dict) else {}
