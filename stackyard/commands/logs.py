"""`stackyard logs`: what a part of the service wrote."""

import shutil
import subprocess
from enum import StrEnum
from typing import Annotated

import typer

from stackyard import machine
from stackyard.commands.options import MaybeStack
from stackyard.errors import Trouble
from stackyard.project import Stack, find
from stackyard.serving import state
from stackyard.target import DEFAULT_STACK


class Component(StrEnum):
    """A part of the service that writes a log."""

    APP = "app"
    QDRANT = "qdrant"
    LLM = "llm"
    EMBEDDING = "embedding"
    RANKING = "ranking"


def logs(
    component: Annotated[Component, typer.Argument(help="The part.")] = Component.APP,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    tail: Annotated[int, typer.Option("--tail", min=0, help="How many last lines.")] = 200,
    stack: MaybeStack = None,
) -> None:
    """Print the log of a part: app, qdrant, llm, embedding or ranking."""
    if stack is None and state.running() is not None:
        command, environment = _serve_command(component, follow, tail), None
    else:
        chosen = find(stack or DEFAULT_STACK)
        command, environment = _stack_command(chosen, component, follow, tail)
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


def _serve_command(component: Component, follow: bool, tail: int) -> list[str]:
    name = component.value if component in (Component.APP, Component.QDRANT) else "models"
    return ["tail", "-n", str(tail), *(["-F"] if follow else []), str(state.log_file(name))]


def _stack_command(
    stack: Stack, component: Component, follow: bool, tail: int
) -> tuple[list[str], dict[str, str]]:
    environment = machine.environment(stack)
    if shutil.which("kubectl", path=environment["PATH"]) is None:
        message = "kubectl is not on this machine"
        raise Trouble(message, "stackyard tools")
    if stack.is_local and not stack.kubeconfig.exists():
        message = f"stack {stack.name} is not up"
        raise Trouble(message, f"stackyard up --stack {stack.name}")
    workload = {
        Component.APP: (stack.app_namespace, "deployment/rag"),
        Component.QDRANT: (stack.app_namespace, "statefulset/qdrant"),
    }.get(component, (stack.models_namespace, f"deployment/{component.value}"))
    namespace, name = workload
    command = [*stack.kubectl, "logs", "--namespace", namespace, name, "--all-containers"]
    return [*command, f"--tail={tail}", *(["--follow"] if follow else [])], environment
