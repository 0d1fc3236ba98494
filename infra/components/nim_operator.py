"""NVIDIA's NIM operator, which turns a NIMCache and a NIMService into volumes and pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import NIM_OPERATOR
from infra.components.chart_release import chart_release
from infra.components.namespaces import SECURITY
from infra.components.pull_secret import PullCredentials, pull_secret
from infra.components.unfinished_release import KubeAccess
from infra.labels import labels
from infra.registry import parse
from infra.schema import NimOperatorSettings

NAMESPACE = "nim-operator"


@dataclass(frozen=True, kw_only=True)
class NimOperatorArgs:
    stack: str
    settings: NimOperatorSettings
    image: str
    credentials: PullCredentials | None
    access: KubeAccess
    after: Sequence[pulumi.Resource] = ()  # what its image comes from


class NimOperator(pulumi.ComponentResource):
    """One operator; `release` is there before its resources are made."""

    release: k8s.helm.v3.Release

    def __init__(
        self, name: str, args: NimOperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:NimOperator", name, None, opts)
        namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=NAMESPACE, labels={**labels(name, "namespace", args.stack), **SECURITY}
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        secret = pull_secret(
            f"{name}-pull", args.stack, namespace.metadata.name, args.credentials, parent=self
        )
        self.release = chart_release(
            name,
            release=NAMESPACE,
            chart=NIM_OPERATOR,
            given=args.settings.chart,
            version=args.settings.version,
            namespace=namespace.metadata.name,
            values=values(args.image, secret),
            access=args.access,
            minutes=10,
            parent=self,
        )
        self.register_outputs({})


def values(image: str, secret: pulumi.Output[str] | None) -> dict[str, Any]:
    """Return what differs from the chart's defaults, or is not the same in each of its releases."""
    reference = parse(image)
    part: dict[str, Any] = {
        "repository": f"{reference.host}/{reference.path}",
        "tag": reference.tag,
        "pullPolicy": "IfNotPresent",
    }
    if secret is not None:
        part["pullSecrets"] = [secret]
    return {
        # its webhook needs cert-manager, which nothing else here does
        "operator": {"image": part, "admissionController": {"enabled": False}},
        "dynamo": {"enabled": False},
    }
