"""Memory of each part of a stack, as the kubelet and Docker count it."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from bench.results import Figures, figure

MIB = 2**20


def pods(environment: Mapping[str, str]) -> Figures:
    """Return the working set of every pod, largest first."""
    nodes = _json(["kubectl", "get", "nodes", "-o", "json"], environment)["items"]
    found: list[tuple[float, str]] = []
    for node in nodes:
        name = node["metadata"]["name"]
        path = f"/api/v1/nodes/{name}/proxy/stats/summary"
        summary = _json(["kubectl", "get", "--raw", path], environment)
        found += [
            (
                round(int(pod.get("memory", {}).get("workingSetBytes", 0)) / MIB),
                f"memory {pod['podRef']['namespace']}/{_workload(pod['podRef']['name'])}",
            )
            for pod in summary["pods"]
        ]
    return {name: figure(mebibytes, "MiB") for mebibytes, name in sorted(found, reverse=True)}


def containers(environment: Mapping[str, str], names: list[str]) -> Figures:
    """Return the memory of Docker containers: a stack's nodes and its registry."""
    command = ["docker", "stats", "--no-stream", "--format", "{{json .}}", *names]
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        f"memory container {row['Name']}": figure(mebibytes(row["MemUsage"].split("/")[0]), "MiB")
        for row in rows
    }


def mebibytes(text: str) -> float:
    """Read what docker stats prints, for example `1.5GiB`."""
    for suffix, factor in (("GiB", 1024.0), ("MiB", 1.0), ("KiB", 1 / 1024), ("B", 1 / MIB)):
        if text.strip().endswith(suffix):
            return round(float(text.strip().removesuffix(suffix)) * factor)
    message = f"docker stats printed {text!r}, which has no unit of bytes"
    raise ValueError(message)


def _workload(pod: str) -> str:
    """Drop what a Deployment adds to its pods' names, so that runs can be compared."""
    name, _, suffix = pod.rpartition("-")
    head, _, template = name.rpartition("-")
    return head if head and len(suffix) == 5 and 8 <= len(template) <= 10 else pod


def _json(command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
