"""From whatever is there to a ready service: the stages of `up`, each of which may be run again."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stackyard import machine, samples
from stackyard.backing_up import check_free, fetch
from stackyard.cluster import LocalCluster
from stackyard.engine import Engine, Resource
from stackyard.errors import Trouble
from stackyard.planner.show import first_lines
from stackyard.planning import plan_of
from stackyard.progress import Stages, Tell
from stackyard.project import Stack
from stackyard.replies import Answer
from stackyard.serving.processes import is_free
from stackyard.target import Target, from_outputs
from tools.paths import home_dir

READY_SECONDS = 600.0  # the first start of the models reads their weights from a cold disk
FREE_GIB = 6  # of a stack's images in the registry and the node, beside the caches


@dataclass(frozen=True)
class Up:
    """What `up` ends with."""

    target: Target
    changed: int
    answer: Answer | None


def bring_up(stack: Stack, stages: Stages, *, with_samples: bool, backup: Path | None = None) -> Up:
    """Bring the stack up and ask the sample question.

    `backup`: what runs is backed up into this file first; where that fails nothing is changed.
    """
    if backup is not None:
        check_free(backup, "stackyard up --backup")
    with stages.stage("tools", shows_itself=True) as tell:
        environment = machine.prepare(stack, tell)
    check_plan(stack, stages)
    engine = Engine(stack, environment)
    with stages.stage("engine") as tell:
        engine.select()
        for line in engine.carry_on(tell):
            stages.say(line)
    refresh = False
    if stack.is_local:
        with stages.stage("cluster") as tell:
            refresh = wake(stack, engine, LocalCluster(stack, environment), stages, tell)
    if backup is not None:
        with stages.stage("backup") as tell, from_outputs(stack, engine.outputs()).service() as old:
            old.wait_ready(READY_SECONDS, tell)
            held = fetch(old, backup)
        stages.say(f"{backup}: {held}, checked")
    with stages.stage("pulumi up") as tell:
        progress = engine.up(tell, refresh=refresh)
    for warning in progress.warnings:
        stages.say(f"warning: {warning}")
    outputs = engine.outputs()
    keep_kubeconfig(stack, outputs)
    target = from_outputs(stack, outputs)
    with target.service() as service:
        with stages.stage("ready") as tell:
            service.wait_ready(READY_SECONDS, tell)
        answer = None
        if with_samples:
            with stages.stage("sample documents") as tell:
                samples.add_missing(service, tell)
            with stages.stage("first question"):
                answer = service.ask(samples.QUESTION)
    return Up(target, progress.changed, answer)


def check_plan(stack: Stack, stages: Stages) -> None:
    """Show the first lines of the plan where models need GPUs, and refuse what cannot fit."""
    if stack.is_local:
        return
    plan = plan_of(stack)
    if not plan.wants.models:
        return
    for line in first_lines(plan):
        stages.say(line)
    if plan.verdict == "does not fit":
        message = f"the models of stack {stack.name} do not fit on its GPUs; nothing was made"
        raise Trouble(message, f"stackyard plan --stack {stack.name} shows the arithmetic")


def wake(stack: Stack, engine: Engine, cluster: LocalCluster, stages: Stages, tell: Tell) -> bool:
    """Bring what is left of the stack's containers to where the engine can go on from.

    Return whether the engine must look at the real state first. A cluster that no finished run
    knows is the engine's to adopt or to remove.
    """
    deployed = any(map(lives_in_the_cluster, engine.resources()))
    nodes = cluster.nodes()
    if not nodes:
        if deployed:
            # asking an API server that is gone could only fail
            stages.say(
                f"the cluster of stack {stack.name} is gone: making it anew; "
                f"its keys, and the documents in {stack.home / 'volumes'}, are kept"
            )
            engine.drop(lives_in_the_cluster)
        check_room(stack)
        return deployed
    if not deployed:
        return False
    if not all(node.running for node in nodes):
        check_ports(stack)
    cluster.start()
    if not cluster.wait_for_api(tell):
        message = f"the Kubernetes API of {stack.cluster} does not answer"
        hint = f"docker restart {stack.cluster}-control-plane, then the same command again"
        raise Trouble(message, hint)
    return not cluster.registry()


def lives_in_the_cluster(resource: Resource) -> bool:
    """Say whether a resource goes with its kind cluster: objects, provider, the cluster."""
    kind = str(resource.get("type", ""))
    return kind.startswith(("kubernetes:", "pulumi:providers:kubernetes")) or kind.endswith(
        ":KindCluster"
    )


def check_room(stack: Stack) -> None:
    """Refuse to begin what the disk or a taken port would end half way."""
    existing = next(path for path in (home_dir(), *home_dir().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < FREE_GIB:
        message = f"{free:.1f} GiB are free at {existing}, a local stack needs {FREE_GIB}"
        raise Trouble(message, "free some space, or set STACKYARD_HOME to a folder on another disk")
    check_ports(stack)


def check_ports(stack: Stack) -> None:
    for role, port in stack.ports.items():
        if not is_free(port):
            message = f"port {port} of stack {stack.name} ({role}) is in use{_user_of(port)}"
            command = f"pulumi config set --stack {stack.name} --path stackyard:cluster.port PORT"
            raise Trouble(message, f"end that process, or move the stack: {command}")


def keep_kubeconfig(stack: Stack, outputs: dict[str, object]) -> None:
    """Write the cluster's kubeconfig where `stackyard env` points, for this user only."""
    content = outputs.get("kubeconfig")
    if not isinstance(content, str) or not content:
        return
    stack.home.mkdir(parents=True, exist_ok=True)
    temporary = stack.kubeconfig.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    temporary.replace(stack.kubeconfig)


def _user_of(port: int) -> str:
    """Return ` by NAME, process PID` of who listens on a port, as far as this user may see it."""
    if shutil.which("ss") is None:
        return ""
    done = subprocess.run(
        ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False
    )
    _, found, rest = done.stdout.partition("pid=")
    if not found:
        return ""
    pid = rest.partition(",")[0]
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
    return f" by {name}, process {pid}"
