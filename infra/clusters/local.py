"""A cluster on this machine: kind, and a registry beside it."""

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import Catalog
from infra.clusters.cluster import Cluster
from infra.clusters.kind import KindCluster
from infra.clusters.kind_config import APP_NODE_PORT
from infra.clusters.local_registry import LocalRegistry
from infra.clusters.ports import ports_of
from infra.labels import labels
from infra.machine import Machine, stack_dir
from infra.registry import Registry
from infra.schema import Settings

STORAGE_CLASS = "stackyard"


def build_local_cluster(settings: Settings, catalog: Catalog, machine: Machine) -> Cluster:
    """Make the cluster, its registry and the storage class of its volumes."""
    stack = pulumi.get_stack()
    ports = ports_of(stack, settings.cluster.port)
    name, folder = f"stackyard-{stack}", stack_dir(stack)
    cluster = KindCluster(
        "cluster",
        {
            "name": name,
            "nodeImage": catalog.kind_node,
            "urlPort": ports.url,
            "apiPort": ports.api,
            "registryPort": ports.registry,
            "registryName": f"{name}-registry",
            "volumes": str(folder / "volumes"),
            "certs": str(folder / "certs.d"),
            "cniDirectory": machine.cni_directory,
            "cgroupV1": machine.cgroup_v1,
        },
    )
    registry = LocalRegistry(
        "registry",
        {"name": f"{name}-registry", "image": catalog.registry, "port": ports.registry},
        pulumi.ResourceOptions(depends_on=[cluster]),  # kind makes the network
    )
    provider = k8s.Provider("kubernetes", kubeconfig=cluster.kubeconfig)
    storage = k8s.storage.v1.StorageClass(
        "storage",
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=STORAGE_CLASS, labels=labels("storage", "storage", stack)
        ),
        provisioner="rancher.io/local-path",
        volume_binding_mode="WaitForFirstConsumer",
        reclaim_policy="Delete",
        # the same folder for the same claim: a cluster made anew finds the data of the last one
        parameters={"pathPattern": "{{ .PVC.Namespace }}/{{ .PVC.Name }}/"},
        opts=pulumi.ResourceOptions(provider=provider),
    )
    return Cluster(
        provider=provider,
        storage_class=storage.metadata.name,
        registry=Registry(f"localhost:{ports.registry}"),
        expose="NodePort",
        node_port=APP_NODE_PORT,
        url=f"http://127.0.0.1:{ports.url}",
        kubeconfig=cluster.kubeconfig,
        pushable=[registry],
    )
