"""Recording stand-ins for pulumi, docker, kind and kubectl, where the real ones are not wanted.

They keep a little state in a JSON file, so that the order of commands matters as it does outside.
The real ones are driven in tests/integration and tests/e2e.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

PROGRAMS = ("pulumi", "docker", "kind", "kubectl")


class FakeTools:
    """A folder of executables, what they were called with, and what they answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.state_file = folder / "state.json"
        self.write({"stacks": {}, "containers": {}, "volumes": [], "namespaces": [], "api": True})
        for name in PROGRAMS:
            script = self.bin / name
            script.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
            script.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        backend = (self.folder / "pulumi").as_uri()
        return {**os.environ, "PATH": path, "PULUMI_BACKEND_URL": backend}

    @property
    def lock_folder(self) -> Path:
        return self.folder / "pulumi/.pulumi/locks/organization/stackyard"

    @property
    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def read(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.state_file.read_text())
        return state

    def write(self, state: dict[str, Any]) -> None:
        self.state_file.write_text(json.dumps(state))

    def change(self, **members: object) -> None:
        self.write({**self.read(), **members})


def pulumi(state: dict[str, Any], arguments: list[str]) -> int:
    stacks = state["stacks"]
    name = arguments[arguments.index("--stack") + 1] if "--stack" in arguments else "dev"
    match arguments:
        case ["stack", "select", *_]:
            stacks.setdefault("dev", {"deployment": {"resources": []}, "outputs": {}})
        case ["stack", "ls", *_]:
            print(json.dumps([{"name": each} for each in stacks]))
        case ["stack", "output", *_] if name not in stacks:
            print(f"error: no stack named '{name}' found", file=sys.stderr)
            return 255
        case ["stack", "output", *_]:
            print(json.dumps(stacks[name]["outputs"]))
        case ["stack", "export", *_]:
            print(json.dumps({"version": 3, "deployment": stacks[name]["deployment"]}))
        case ["stack", "import", *_]:
            stacks[name]["deployment"] = json.load(sys.stdin)["deployment"]
        case ["stack", "rm", *_]:
            del stacks["dev"]
        case ["config", "get", key, *_] if key in state.get("config", {}):
            print(state["config"][key])
        case ["config", "get", *_]:
            return 255
        case ["cancel", *_]:
            locks = Path(__file__).parents[1] / "pulumi/.pulumi/locks/organization/stackyard/dev"
            for lock in locks.glob("*.json"):
                lock.unlink()
        case ["up" | "destroy" as verb, *_]:
            return operate(state, verb, name, Path(arguments[arguments.index("--event-log") + 1]))
    return 0


def operate(state: dict[str, Any], verb: str, name: str, events: Path) -> int:
    stack = state["stacks"][name]
    urn = f"urn:pulumi:{name}::stackyard::kubernetes:apps/v1:Deployment::rag"
    step = {"metadata": {"op": "create", "urn": urn, "type": "kubernetes:apps/v1:Deployment"}}
    lines: list[dict[str, object]] = [{"resourcePreEvent": step}]
    if state.get("failure"):
        said = {"urn": urn, "severity": "error", "message": state["failure"] + "\n"}
        lines.append({"diagnosticEvent": said})
    else:
        for each in state.get("warnings", []):
            lines.append({"diagnosticEvent": {"severity": "warning", "message": each + "\n"}})
        lines.append({"resOutputsEvent": step})
        lines.append({"summaryEvent": {"resourceChanges": {"create": 1}}})
        resource = {"urn": urn, "type": "kubernetes:apps/v1:Deployment", "protect": True}
        stack["deployment"] = {"resources": [resource] if verb == "up" else []}
        if verb == "up":
            stack["outputs"] = state["outputs"]
            for container in (f"stackyard-{name}-control-plane", f"stackyard-{name}-registry"):
                state["containers"][container] = "running"
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return 255 if state.get("failure") else 0


def docker(state: dict[str, Any], arguments: list[str]) -> int:
    containers = state["containers"]
    if state.get("docker") == "stopped":
        print("Cannot connect to the Docker daemon at unix:///x.", file=sys.stderr)
        return 1
    match arguments:
        case ["ps", *_]:
            wanted = arguments[arguments.index("--filter") + 1]
            for name, status in containers.items():
                if matches(name, wanted):
                    print(name, status)
        case ["start" | "stop" as verb, *rest]:
            for name in rest:
                if name in containers:
                    containers[name] = "running" if verb == "start" else "exited"
        case ["rm", *_, name]:
            del containers[name]
        case ["volume", "ls", *_]:
            print("\n".join(state["volumes"]))
        case ["volume", "rm", name]:
            state["volumes"].remove(name)
        case ["exec", _, "kubectl", _, "get", "--raw", _]:
            return 0 if state["api"] else 1
        case ["exec", _, "kubectl", _, "get", "namespace", name, *_]:
            print(f"namespace/{name}" if name in state["namespaces"] else "")
    return 0


def matches(name: str, wanted: str) -> bool:
    if wanted.startswith("label="):
        cluster = wanted.removeprefix("label=io.x-k8s.kind.cluster").removeprefix("=")
        return name.endswith("-control-plane") and name.startswith(cluster or "stackyard-")
    pattern = wanted.removeprefix("name=^/")
    return name == pattern[:-1] if pattern.endswith("$") else name.startswith(pattern)


def kind(state: dict[str, Any], arguments: list[str]) -> int:
    if arguments[:2] == ["delete", "cluster"]:
        state["containers"].pop(f"{arguments[-1]}-control-plane", None)
    return 0


def kubectl(state: dict[str, Any], arguments: list[str]) -> int:
    jobs = state.setdefault("jobs", {})
    if {"get", "pods"} <= set(arguments):
        print(json.dumps({"items": []}))
    match arguments[4:]:  # behind kubeconfig and namespace
        case ["get", "cronjob", name, *_] if name in state.get("cronjobs", {}):
            print(json.dumps(state["cronjobs"][name]))
        case ["get", "cronjob", name, *_]:
            said = f'Error from server (NotFound): cronjobs.batch "{name}" not found'
            print(said, file=sys.stderr)
            return 1
        case ["create", "--filename", "-"]:
            made = json.load(sys.stdin)
            state["made"] = made
            jobs[made["metadata"]["name"]] = {"ready": 1}
        case ["get", "job", name, *_]:
            print(json.dumps({"status": jobs[name]}))
        case ["delete", "job", name, *_]:
            del jobs[name]
    return 0


def main() -> int:
    program, folder = Path(sys.argv[0]).name, Path(sys.argv[0]).parents[1]
    with (folder / "calls").open("a") as log:
        log.write(" ".join([program, *sys.argv[1:]]) + "\n")
    state_file = folder / "state.json"
    state = json.loads(state_file.read_text())
    fakes = {"pulumi": pulumi, "docker": docker, "kind": kind, "kubectl": kubectl}
    code = fakes[program](state, sys.argv[1:])
    state_file.write_text(json.dumps(state))
    return code


if __name__ == "__main__":
    sys.exit(main())
