"""The registry container beside a kind cluster as a resource; its images are on a volume."""

import time
from typing import Any

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.clusters.ports import refuse_taken
from infra.command import CommandFailed, Trouble, plain_errors, run
from infra.images.remote import answers

Props = dict[str, Any]  # what the engine passes: plain values by name
NETWORK = "kind"  # kind's own; made with its first cluster
READY_SECONDS = 60
INPUTS = ("name", "image", "port")


class LocalRegistryProvider(ResourceProvider):
    """What the engine calls; the container's name says all."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        changed = [key for key in INPUTS if _olds.get(key) != _news.get(key)]
        return DiffResult(bool(changed), replaces=changed, delete_before_replace=True)

    def create(self, props: Props) -> CreateResult:
        with plain_errors():
            name, port = str(props["name"]), int(props["port"])
            _remove(name)  # a killed run's; the images are on the volume
            refuse_taken(port - 2, port)
            run(
                *("docker", "run", "--detach", "--name", name, "--network", NETWORK),
                *("--restart", "unless-stopped", "--publish", f"127.0.0.1:{port}:5000"),
                *("--volume", f"{name}:/var/lib/registry", str(props["image"])),
                hint=f"docker logs {name}",
            )
            _wait(name, port)
            return CreateResult(name, dict(props))

    def read(self, id_: str, props: Props) -> ReadResult:
        with plain_errors():
            return ReadResult(id_, props) if _exists(id_) else ReadResult(None, {})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(dict(_news))

    def delete(self, _id: str, _props: Props) -> None:
        with plain_errors():
            _remove(_id)
            run("docker", "volume", "rm", "--force", _id, hint=f"docker volume inspect {_id}")


class LocalRegistry(Resource, module="stackyard", name="LocalRegistry"):
    """One registry container that listens on 127.0.0.1 and on kind's network."""

    def __init__(
        self, name: str, props: pulumi.Inputs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(LocalRegistryProvider(), name, dict(props), opts)


def _exists(name: str) -> bool:
    listed = run(
        *("docker", "ps", "--all", "--filter", f"name=^/{name}$", "--format", "{{.Names}}"),
        hint="docker info",
    )
    return name in listed.split()


def _remove(name: str) -> None:
    if _exists(name):
        run("docker", "rm", "--force", name, hint=f"docker inspect {name}")


def _wait(name: str, port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while not answers(f"localhost:{port}"):
        if time.monotonic() > until:
            try:
                said = run("docker", "logs", "--tail", "15", name, hint="docker info")
            except CommandFailed as error:
                said = str(error)
            message = f"the registry {name} does not answer on port {port}:\n{said}"
            raise Trouble(message, f"docker logs {name}")
        time.sleep(0.2)
