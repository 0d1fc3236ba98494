"""A volume that holds data: protected, and not waited for before its first pod."""

import pulumi
import pulumi_kubernetes as k8s

from infra.components.scope import SKIP_AWAIT, Scope


def data_volume(
    resource: str,
    *,
    scope: Scope,
    name: str,
    component: str,
    storage: str,
    parent: pulumi.Resource,
    storage_class: str | None = None,
    protect: bool = True,
    access: str = "ReadWriteOnce",
) -> k8s.core.v1.PersistentVolumeClaim:
    """Claim a volume; `pulumi destroy` refuses a protected one until it is unprotected."""
    return k8s.core.v1.PersistentVolumeClaim(
        resource,
        metadata=scope.metadata(name, component, SKIP_AWAIT),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[access],
            storage_class_name=storage_class or scope.storage_class,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": storage}),
        ),
        opts=pulumi.ResourceOptions(parent=parent, protect=protect),
    )
