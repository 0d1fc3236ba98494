"""A stack, or a `serve`: stages of `up`, preview, answers, chunks, memory, image sizes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench import memory, service
from bench.engine.process import family, memory_mib
from bench.results import Figure, Figures, figure
from stackyard import machine, samples
from stackyard.client import Service
from stackyard.cluster import LocalCluster
from stackyard.engine import Engine
from stackyard.errors import Trouble
from stackyard.project import PACKAGE, Stack, find
from stackyard.serving import state
from stackyard.target import from_outputs

PREVIEWS = 3
PARTS = {"local.models": "models", "local.qdrant": "qdrant", "app": "app", "stackyard": "serve"}


def measure_stack(name: str) -> Figures:
    """Run `stackyard up`, which is cold, warm or without a change as the caller left things."""
    found = find(name)
    start = time.perf_counter()
    figures = stages(json.loads(_stackyard("up", "--stack", name, "--json")))
    figures["up"] = figure(time.perf_counter() - start, "s")
    environment = machine.environment(found)
    engine = Engine(found, environment)
    figures["pulumi preview, no change"] = _previews(engine)
    outputs = engine.outputs()
    with from_outputs(found, outputs).service() as asked:
        figures |= service.answers(asked) | service.indexing(asked)
    figures |= _memory(found, environment)
    if found.is_local:
        figures |= image_sizes(outputs.get("inventory"), environment)
    return figures


def measure_serve() -> Figures:
    """Start a `serve` of its own, in a home that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="stackyard-bench-") as home:
        before = os.environ.get("STACKYARD_HOME")
        os.environ["STACKYARD_HOME"] = home
        try:
            start = time.perf_counter()
            _stackyard("serve", "--background", "--no-samples")
            figures = {"serve, from start to ready": _since(start)}
            running = state.running()
            assert running is not None
            with Service(running.url, running.key) as asked:
                samples.add_missing(asked, lambda _: None)
                figures |= service.answers(asked) | service.indexing(asked)
            return figures | _processes(running.pid)
        finally:
            _stackyard("serve", "--stop")
            if before is None:
                del os.environ["STACKYARD_HOME"]
            else:
                os.environ["STACKYARD_HOME"] = before


def stages(said: Mapping[str, object]) -> Figures:
    """Read the seconds of each stage out of what `stackyard up --json` prints."""
    seconds = said["seconds"]
    if not isinstance(seconds, dict):
        message = f"`stackyard up --json` printed no seconds: {said!r}"
        raise TypeError(message)
    figures = {f"up: {stage}": figure(float(took), "s") for stage, took in seconds.items()}
    changed = said.get("changed")
    if isinstance(changed, int):
        figures["up: resources changed"] = figure(changed, "resources")
    return figures


def image_sizes(inventory: object, environment: Mapping[str, str]) -> Figures:
    """Return the size of every image that Docker has, uncompressed."""
    figures: Figures = {}
    for entry in inventory if isinstance(inventory, list) else []:
        command = ["docker", "image", "inspect", "--format", "{{.Size}}", str(entry["image"])]
        done = subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, check=False
        )
        # The node's own store has the others.
        if done.returncode == 0:
            size = int(done.stdout.split()[0]) / 1e6
            figures[f"image {entry['name']}"] = figure(size, "MB")
    return figures


def _previews(engine: Engine) -> Figure:
    command = ["pulumi", "preview", "--stack", engine.stack.name, "--non-interactive"]
    runs = []
    for _ in range(PREVIEWS):
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--expect-no-changes", "--color", "never"],
            cwd=engine.stack.project,
            env=engine.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        runs.append(time.perf_counter() - start)
        if done.returncode:
            message = (
                f"`pulumi preview` saw changes or failed:\n{(done.stdout + done.stderr)[-800:]}"
            )
            raise Trouble(message, f"stackyard up --stack {engine.stack.name}, then this once more")
    return Figure(runs, "s")


def _memory(stack: Stack, environment: dict[str, str]) -> Figures:
    figures = memory.pods(environment)
    if stack.is_local:
        cluster = LocalCluster(stack, environment)
        names = [each.name for each in cluster.nodes() + cluster.registry()]
        held = memory.containers(environment, names)
        figures |= held
        # The pods live in the nodes: the containers are all of it.
        figures["memory, whole stack"] = figure(sum(each.value for each in held.values()), "MiB")
    return figures


def _processes(pid: int) -> Figures:
    figures: Figures = {}
    for each in family(pid):
        try:
            words = Path(f"/proc/{each}/cmdline").read_text().split("\0")
        except OSError:
            continue
        module = words[words.index("-m") + 1] if "-m" in words else ""
        if module in PARTS:
            figures[f"memory {PARTS[module]}"] = figure(memory_mib(each), "MiB")
    total = sum(each.value for each in figures.values())
    return figures | {"memory, whole serve": figure(total, "MiB")}


def _since(start: float) -> Figure:
    return figure(time.perf_counter() - start, "s")


def _stackyard(*arguments: str) -> str:
    # What it says on the way goes to the terminal: `up` may take minutes.
    done = subprocess.run(
        [sys.executable, "-m", "stackyard", *arguments],
        cwd=PACKAGE,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
