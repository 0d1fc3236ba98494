"""What the toolchain provides on this machine; the only module of this room that calls it."""

import os
from collections.abc import Mapping

from stackyard.progress import Tell
from stackyard.project import Stack
from tools import toolchain
from tools.node import images
from tools.sealed import docker


def prepare(stack: Stack, tell: Tell) -> dict[str, str]:
    """Provide the pinned tools, and Docker for a local cluster; return their environment."""
    tell("docker, kind, kubectl, helm, pulumi")
    if stack.is_local:
        toolchain.ensure()
    else:
        # sealed off, the plugin is there by the bundle's install or cannot be had
        toolchain.ensure((*toolchain.DEPLOYING, *([] if stack.is_sealed else [toolchain.PLUGIN])))
    if stack.is_local:
        start_docker(tell)
        _provide_images(tell)
    return environment(stack)


def environment(stack: Stack) -> dict[str, str]:
    """Return the environment for every tool: PATH, PULUMI_*, KUBECONFIG."""
    return {**os.environ, **exports(stack)}


def exports(stack: Stack) -> Mapping[str, str]:
    """Return what differs from the ordinary environment."""
    local = stack.is_local  # first: it says what is wrong with the settings
    changed = toolchain.environment(stack.name, stack.project)
    # the cluster of somebody else's kubeconfig is left to whoever set it
    return {**changed, "KUBECONFIG": str(stack.kubeconfig)} if local else changed


def start_docker(tell: Tell) -> None:
    tell("Docker")
    docker.ensure()


def _provide_images(tell: Tell) -> None:
    from infra import catalog  # here, because it brings the Pulumi SDK along: half a second

    tell("images")
    images.ensure_images(catalog.KIND_NODE, catalog.PYTHON, catalog.REGISTRY, catalog.QDRANT)


def stop_docker() -> None:
    """Stop the sealed Docker; does nothing where Docker is the machine's own."""
    docker.stop()
