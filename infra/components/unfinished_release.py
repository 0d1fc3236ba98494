"""What a killed helm left behind as a resource: cleared, so that the next `up` carries on.

A run that is killed in the middle of a Release leaves helm's record of it pending. Pulumi's
Kubernetes provider then refuses the name for ever ("cannot re-use a name that is still in use",
"another operation is in progress"). Without that record helm takes over the objects that are
there, because they carry the release's name.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.command import Trouble, plain_errors, run

Props = dict[str, Any]  # what the engine passes: plain values by name
KEYS = ("kubeconfig", "context", "namespace", "release")
PENDING = "pending-install,pending-upgrade,pending-rollback"
SECONDS = 10


class UnfinishedReleaseProvider(ResourceProvider):
    """What the engine calls. It asks the cluster in a preview too; no answer means no change."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        try:
            left = records(_news)
        except Trouble:
            left = []
        return DiffResult(bool(left) or any(_olds.get(key) != _news.get(key) for key in KEYS))

    def create(self, props: Props) -> CreateResult:
        with plain_errors():
            clear(props)
        return CreateResult(f"{props['namespace']}/{props['release']}", props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        with plain_errors():
            clear(_news)
        return UpdateResult(_news)


@dataclass(frozen=True, kw_only=True)
class KubeAccess:
    """How a command reaches the cluster: a kubeconfig's text or path, and its context."""

    kubeconfig: pulumi.Input[str]
    context: str | None = None  # the kubeconfig's own


class UnfinishedRelease(Resource, module="stackyard", name="UnfinishedRelease"):
    """Comes before one Release in a namespace that is ours; the stack's lock keeps others out."""

    def __init__(
        self,
        name: str,
        *,
        access: KubeAccess,
        namespace: pulumi.Input[str],
        release: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "kubeconfig": access.kubeconfig,
            "context": access.context,
            "namespace": namespace,
            "release": release,
        }
        super().__init__(UnfinishedReleaseProvider(), name, props, opts)


def records(props: Props) -> list[str]:
    """Return helm's records of a release that is neither deployed nor failed."""
    selector = f"owner=helm,name={props['release']},status in ({PENDING})"
    return _kubectl(props, "get", "secrets", "--selector", selector, "--output", "name").split()


def clear(props: Props) -> None:
    """Remove those records."""
    for each in records(props):
        _kubectl(props, "delete", each)


def _kubectl(props: Props, *arguments: str) -> str:
    given = str(props["kubeconfig"])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(given)
        if "\n" in given or given.startswith("{"):  # its text, not where it is
            path = Path(scratch, "kubeconfig")
            path.touch(mode=0o600)
            path.write_text(given)
        where = ["--kubeconfig", str(path), "--namespace", str(props["namespace"])]
        if props.get("context"):
            where += ["--context", str(props["context"])]
        return run(
            *("kubectl", *where, f"--request-timeout={SECONDS}s", *arguments),
            hint=f"kubectl --namespace {props['namespace']} get secrets",
        )
