#!/usr/bin/env python3
"""Docker and kind in one file, as far as our resources use them; state is in $FAKE_DOCKER."""

import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_DOCKER"])


def load() -> dict[str, dict[str, object]]:
    path = STATE / "containers.json"
    found: dict[str, dict[str, object]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def save(containers: dict[str, dict[str, object]]) -> None:
    (STATE / "containers.json").write_text(json.dumps(containers))


def docker(arguments: list[str]) -> int:
    containers = load()
    match arguments:
        case ["ps", *_] if any(a.startswith("label=") for a in arguments):
            wanted = next(a for a in arguments if a.startswith("label=")).rpartition("=")[2]
            for name, each in containers.items():
                if each.get("cluster") == wanted:
                    print(name, each["state"])
        case ["ps", *_]:
            wanted = next(a for a in arguments if a.startswith("name=")).strip("name=^/$")
            print(*(name for name in containers if name.endswith(wanted)), sep="\n")
        case ["inspect", "--format", _, name]:
            print(json.dumps(containers[name]["mounts"]))
        case ["start", name]:
            containers[name]["state"] = "running"
            save(containers)
        case ["exec", name, "cat", _]:
            mark = containers[name].get("mark")
            if mark is None:
                print("cat: No such file or directory", file=sys.stderr)
                return 1
            print(mark)
        case ["exec", name, "sh", "-c", command]:
            containers[name]["mark"] = command.split()[1]
            save(containers)
        case ["rm", "--force", name]:
            del containers[name]
            save(containers)
        case ["run", *_]:
            name = arguments[arguments.index("--name") + 1]
            containers[name] = {"state": "running", "mounts": []}
            save(containers)
        case ["volume", "rm", "--force", _] | ["logs", *_]:
            pass
        case _:
            print(f"fake docker: {arguments}", file=sys.stderr)
            return 125
    return 0


def kind(arguments: list[str]) -> int:
    containers = load()
    match arguments:
        case ["create", "cluster", *_]:
            config = json.loads(sys.stdin.read())
            (STATE / "config.json").write_text(json.dumps(config))
            if (STATE / "fail").exists():
                print("\n".join(f"line {n}" for n in range(40)), file=sys.stderr)
                print("ERROR: failed to create cluster: no room", file=sys.stderr)
                return 1
            mounts = config["nodes"][0]["extraMounts"]
            containers[f"{config['name']}-control-plane"] = {
                "cluster": config["name"],
                "state": "running",
                "mounts": [{"Source": mount["hostPath"]} for mount in mounts],
            }
            save(containers)
        case ["get", "kubeconfig", "--name", name]:
            print(f"kubeconfig of {name}")
        case ["delete", "cluster", "--name", name, *_]:
            save({k: v for k, v in containers.items() if v.get("cluster") != name})
        case _:
            print(f"fake kind: {arguments}", file=sys.stderr)
            return 125
    return 0


if __name__ == "__main__":
    with (STATE / "calls").open("a") as calls:
        print(Path(sys.argv[0]).name, *sys.argv[1:3], file=calls)
    sys.exit({"docker": docker, "kind": kind}[Path(sys.argv[0]).name](sys.argv[1:]))
