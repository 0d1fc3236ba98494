"""NVIDIA's GPU operator, which makes GPUs something that pods can ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import GPU_OPERATOR
from infra.components.chart_release import chart_release
from infra.components.gpu_operator_values import Target, values
from infra.components.outward import ca_map
from infra.components.pull_secret import PullCredentials, pull_secret
from infra.components.unfinished_release import KubeAccess
from infra.labels import labels
from infra.registry import Registry
from infra.schema import GpuOperatorSettings

NAMESPACE = "gpu-operator"
# it loads drivers and writes to the nodes
PRIVILEGED = {
    f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")
}
MINUTES = 20  # several GB of images on a fresh node; the default is 5


@dataclass(frozen=True, kw_only=True)
class GpuOperatorArgs:
    stack: str
    settings: GpuOperatorSettings
    target: Target
    images: dict[str, str]  # key of the values -> image in the private registry, if there is one
    credentials: PullCredentials | None
    access: KubeAccess
    ca: str | None = None  # the text of the private authorities
    ca_file: str | None = None  # the same as a file on this machine, for helm
    charts: Registry | None = None  # where a bundle has put the chart; None: NVIDIA's repository
    after: Sequence[pulumi.Resource] = ()  # what its images come from


class GpuOperator(pulumi.ComponentResource):
    """One operator; `release` is there before a pod asks for a GPU."""

    release: k8s.helm.v3.Release

    def __init__(
        self, name: str, args: GpuOperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:GpuOperator", name, None, opts)
        namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=NAMESPACE, labels={**labels(name, "namespace", args.stack), **PRIVILEGED}
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        secret = pull_secret(
            f"{name}-pull", args.stack, namespace.metadata.name, args.credentials, parent=self
        )
        ca = ca_map(f"{name}-ca", args.stack, namespace.metadata.name, args.ca, self)
        chart = args.settings.chart
        if chart is None and args.charts is not None:
            chart = f"oci://{args.charts.reference(f'charts/{GPU_OPERATOR.name}')}"
        self.release = chart_release(
            name,
            release=NAMESPACE,
            chart=GPU_OPERATOR,
            given=chart,
            repository=_repository(chart, args),
            version=args.settings.version,
            namespace=namespace.metadata.name,
            values=values(args.target, args.images, secret, ca),
            access=args.access,
            minutes=MINUTES,
            # its hook that upgrades the CRDs sends fields that the old ones do not know
            openapi_validation=False,
            parent=self,
        )
        self.register_outputs({})


def _repository(chart: str | None, args: GpuOperatorArgs) -> k8s.helm.v3.RepositoryOptsArgs | None:
    """Return where the chart is and how helm gets in.

    For an oci:// chart helm reads the authorities only together with a name and a password.
    """
    if chart is None:
        return k8s.helm.v3.RepositoryOptsArgs(repo=GPU_OPERATOR.repository)
    who = args.credentials
    if who is None or not chart.startswith(f"oci://{who.host}/"):
        return None
    return k8s.helm.v3.RepositoryOptsArgs(
        username=who.username, password=who.password, ca_file=args.ca_file
    )
