"""Memory of each part of a stack, as the kubelet and Docker count it."""

import json
import subprocess

from bench.results import Figure

MIB = 2**20


def pods(environment: dict[str, str]) -> list[Figure]:
    """Return the working set of every pod, largest first."""
    nodes = _json(["kubectl", "get", "nodes", "-o", "json"], environment)["items"]
    found: list[tuple[int, str]] = []
    for node in nodes:
        name = node["metadata"]["name"]
        path = f"/api/v1/nodes/{name}/proxy/stats/summary"
        summary = _json(["kubectl", "get", "--raw", path], environment)
        found += [
            (
                round(int(pod.get("memory", {}).get("workingSetBytes", 0)) / MIB),
                f"{pod['podRef']['namespace']}/{pod['podRef']['name']}",
            )
            for pod in summary["pods"]
        ]
    return [
        {"what": name, "value": mebibytes, "unit": "MiB"}
        for mebibytes, name in sorted(found, reverse=True)
    ]


def containers(environment: dict[str, str], stack: str) -> list[Figure]:
    """Return the memory of the stack's Docker containers: the nodes and the registry."""
    command = ["docker", "stats", "--no-stream", "--format", "{{json .}}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        {"what": row["Name"], "value": _mebibytes(row["MemUsage"].split("/")[0]), "unit": "MiB"}
        for row in rows
        if row["Name"].startswith(f"stackyard-{stack}")
    ]


def _mebibytes(text: str) -> int:
    for suffix, factor in (("GiB", 1024.0), ("MiB", 1.0), ("KiB", 1 / 1024), ("B", 1 / MIB)):
        if text.strip().endswith(suffix):
            return round(float(text.strip().removesuffix(suffix)) * factor)
    message = f"docker stats printed {text!r}, which has no unit of bytes"
    raise ValueError(message)


def _json(
    command: list[str], environment: dict[str, str]
) -> dict[str, list[dict[str, dict[str, str]]]]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, list[dict[str, dict[str, str]]]] = json.loads(done.stdout)
    return found
