"""NVIDIA's GPU operator, which makes GPUs something that pods can ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import GPU_OPERATOR
from infra.components.gpu_operator_values import Target, values
from infra.components.outward import ca_map
from infra.components.pull_secret import PullCredentials, pull_secret
from infra.labels import labels
from infra.registry import Registry
from infra.schema import GpuOperatorSettings

NAMESPACE = "gpu-operator"
# it loads drivers and writes to the nodes
PRIVILEGED = {
    f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")
}
SECONDS = 1200  # several GB of images on a fresh node; the default is 300


@dataclass(frozen=True, kw_only=True)
class GpuOperatorArgs:
    stack: str
    settings: GpuOperatorSettings
    target: Target
    images: dict[str, str]  # key of the values -> image in the private registry, if there is one
    credentials: PullCredentials | None
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
        ours = chart is None
        self.release = k8s.helm.v3.Release(
            f"{name}-release",
            name=NAMESPACE,
            namespace=namespace.metadata.name,
            chart=GPU_OPERATOR.name if ours else chart,
            # a chart in a file has its own version
            version=args.settings.version if ours or _is_remote(chart) else None,
            repository_opts=_repository(chart, args),
            values=values(args.target, args.images, secret, ca),
            timeout=SECONDS,
            # its hook that upgrades the CRDs sends fields that the old ones do not know
            disable_openapi_validation=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                custom_timeouts=pulumi.CustomTimeouts(create="25m", update="25m", delete="15m"),
            ),
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


def _is_remote(chart: str | None) -> bool:
    return chart is not None and chart.startswith("oci://")
