"""A kind cluster as a resource: made, adopted if it is whole, replaced if it was cut off."""

import hashlib
import json
import tempfile
from pathlib import Path
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

from infra.clusters.kind_config import hosts_toml, kind_config
from infra.clusters.ports import refuse_taken
from infra.command import CommandFailed, Trouble, plain_errors, run

Props = dict[str, Any]  # what the engine passes: plain values by name

# A node's image is left as it is until the cluster is made anew: replacing the cluster for a newer
# image would cost everything that was deployed by hand, and a restart of all models.
FIXED = ("name", "apiPort", "urlPort", "registryPort", "volumes", "certs")
LABEL = "io.x-k8s.kind.cluster"
FINISHED = "/kind/stackyard"  # in the node: the configuration that a finished creation left
DOCKER = "docker info"


class KindClusterProvider(ResourceProvider):
    """What the engine calls; everything is asked from Docker and kind, nothing is remembered."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        changed = [key for key in FIXED if _olds.get(key) != _news.get(key)]
        return DiffResult(bool(changed), replaces=changed, delete_before_replace=True)

    def create(self, props: Props) -> CreateResult:
        with plain_errors():
            name = str(props["name"])
            config = kind_config(props)
            if not _adopt(name, props, config):
                _create(name, props, config)
            return CreateResult(name, {**props, "kubeconfig": _kubeconfig(name)})

    def read(self, id_: str, props: Props) -> ReadResult:
        with plain_errors():
            nodes = _nodes(id_)
            if not nodes:
                return ReadResult(None, {})
            # a stopped cluster is still there, and kind cannot read its kubeconfig
            running = all(state == "running" for state in nodes.values())
            found = {"kubeconfig": _kubeconfig(id_)} if running else {}
            return ReadResult(id_, {**props, **found})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult({**_news, "kubeconfig": _olds["kubeconfig"]})

    def delete(self, _id: str, _props: Props) -> None:
        with plain_errors():
            if _nodes(_id):
                _delete(_id)


class KindCluster(Resource, module="stackyard", name="KindCluster"):
    """One kind cluster; `kubeconfig` is secret, `cluster_name` is kind's name."""

    kubeconfig: pulumi.Output[str]

    def __init__(
        self, name: str, props: pulumi.Inputs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        own = pulumi.ResourceOptions(
            additional_secret_outputs=["kubeconfig"],
            custom_timeouts=pulumi.CustomTimeouts(create="15m", delete="5m"),
        )
        super().__init__(
            KindClusterProvider(),
            name,
            {**props, "kubeconfig": None},
            pulumi.ResourceOptions.merge(own, opts),
        )


def _nodes(name: str) -> dict[str, str]:
    """Return the state of each node's container."""
    listed = run(
        *("docker", "ps", "--all", "--filter", f"label={LABEL}={name}"),
        *("--format", "{{.Names}} {{.State}}"),
        hint=DOCKER,
    )
    rows = (line.split() for line in listed.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _adopt(name: str, props: Props, config: str) -> bool:
    """Take over a whole cluster of this name; remove one that was never finished."""
    nodes = _nodes(name)
    if not nodes:
        return False
    for node, state in nodes.items():
        if str(props["volumes"]) not in _mounts(node):
            message = f"a kind cluster named {name} is there and was not made by this program"
            raise Trouble(message, f"rename the stack, or: kind delete cluster --name {name}")
        if state != "running":
            run("docker", "start", node, hint=f"docker logs {node}")
    finished = {_finished(node) for node in nodes}
    if finished == {_fingerprint(config)}:
        return True
    if "" not in finished:
        message = f"a kind cluster named {name} is there, made with other settings"
        raise Trouble(message, f"kind delete cluster --name {name} (its volumes stay)")
    pulumi.log.info(f"removing {name}, which was never finished")
    _delete(name)
    return False


def _create(name: str, props: Props, config: str) -> None:
    refuse_taken(int(props["urlPort"]), int(props["urlPort"]), int(props["apiPort"]))
    Path(str(props["volumes"])).mkdir(parents=True, exist_ok=True)
    host = Path(str(props["certs"]), f"localhost:{int(props['registryPort'])}")
    host.mkdir(parents=True, exist_ok=True)
    (host / "hosts.toml").write_text(hosts_toml(str(props["registryName"])))
    with tempfile.TemporaryDirectory() as scratch:
        # kind would write into ~/.kube/config otherwise
        run(
            *("kind", "create", "cluster", "--config", "-", "--image", str(props["nodeImage"])),
            *("--kubeconfig", Path(scratch, "kubeconfig"), "--wait", "180s"),
            given=config,
            hint="docker system df, then run the same command again",
        )
    for node in _nodes(name):
        command = f"echo {_fingerprint(config)} > {FINISHED}"
        run("docker", "exec", node, "sh", "-c", command, hint=f"docker logs {node}")


def _delete(name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        kubeconfig = Path(scratch, "kubeconfig")
        command = ("kind", "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig)
        run(*command, hint="docker ps --all, then run the same command again")


def _kubeconfig(name: str) -> str:
    return run("kind", "get", "kubeconfig", "--name", name, hint="kind get clusters")


def _mounts(node: str) -> list[str]:
    template = "{{json .Mounts}}"
    found = run("docker", "inspect", "--format", template, node, hint=DOCKER)
    return [str(mount.get("Source")) for mount in json.loads(found)]


def _finished(node: str) -> str:
    """Return the fingerprint that a finished creation left in a node; nothing if it was cut off."""
    try:
        return run("docker", "exec", node, "cat", FINISHED, hint=f"docker logs {node}").strip()
    except CommandFailed:
        return ""


def _fingerprint(config: str) -> str:
    return hashlib.sha256(config.encode()).hexdigest()[:16]
