"""A cluster that is there already: any kubeconfig, any registry that it pulls from."""

import pulumi_kubernetes as k8s

from infra.catalog import Catalog
from infra.clusters.cluster import Cluster, GpuPlace
from infra.clusters.kind_config import APP_NODE_PORT
from infra.machine import Machine
from infra.registry import Registry
from infra.schema import Settings
from infra.schema.edge_choices import service_type


def build_existing_cluster(settings: Settings, _catalog: Catalog, _machine: Machine) -> Cluster:
    """Return the cluster behind the kubeconfig's context; nothing is made."""
    registry, app, cluster = settings.registry, settings.app, settings.cluster
    if registry.host is None or cluster.context is None:
        message = "an existing cluster needs registry.host and cluster.context"
        raise ValueError(message)
    expose = service_type(app)
    return Cluster(
        # by path: credentials in it may be renewed by others, and none gets into the state
        provider=k8s.Provider(
            "kubernetes",
            kubeconfig=str(cluster.kubeconfig_path),
            context=cluster.context,
        ),
        storage_class=cluster.storage_class,
        registry=Registry(registry.host, registry.prefix),
        expose=expose,
        node_port=(app.node_port or APP_NODE_PORT) if expose == "NodePort" else None,
        url=app.url,
        kubeconfig=None,
        gpu=GpuPlace(node_selector=cluster.gpu.node_selector, tolerations=cluster.gpu.tolerations),
        make_namespaces=cluster.scope == "cluster",
    )
