"""One Helm release of a pinned chart, or of a file or a registry in its place."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import Chart
from infra.components.unfinished_release import KubeAccess, UnfinishedRelease


def chart_release(
    name: str,
    *,
    release: str,
    chart: Chart,
    given: str | None,
    repository: k8s.helm.v3.RepositoryOptsArgs | None = None,
    version: str,
    namespace: pulumi.Input[str],
    values: Mapping[str, Any],
    access: KubeAccess,
    minutes: int,
    parent: pulumi.Resource,
    openapi_validation: bool = True,
) -> k8s.helm.v3.Release:
    """Install a chart; `given` is a file or an oci:// address in place of the pinned one."""
    cleared = UnfinishedRelease(
        f"{name}-unfinished",
        access=access,
        namespace=namespace,
        release=release,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    # a chart in a file has its own version
    versioned = given is None or given.startswith("oci://")
    limit = f"{minutes + 5}m"  # after helm's own, which says what is not ready
    return k8s.helm.v3.Release(
        f"{name}-release",
        name=release,
        namespace=namespace,
        chart=given or chart.name,
        version=version if versioned else None,
        repository_opts=repository
        or (k8s.helm.v3.RepositoryOptsArgs(repo=chart.repository) if given is None else None),
        values=values,
        timeout=minutes * 60,
        disable_openapi_validation=None if openapi_validation else True,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[cleared],
            custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit, delete="15m"),
        ),
    )
