"""A cluster at AWS, from nothing: network, control plane, nodes, add-ons, repositories.

The only code that imports pulumi_aws (121 MB), and only the stacks of this kind import it.
"""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from infra.catalog import Catalog
from infra.clusters.aws_place import TAG, eks_registry
from infra.clusters.cluster import Cluster, GpuPlace
from infra.clusters.eks.addons import AFTER_NODES, BEFORE_NODES, Addons, AddonsArgs
from infra.clusters.eks.control_plane import ControlPlane, ControlPlaneArgs
from infra.clusters.eks.iam import Roles, RolesArgs
from infra.clusters.eks.kubeconfig import kubeconfig
from infra.clusters.eks.network import Network, NetworkArgs
from infra.clusters.eks.nodes import GPU_LABEL, GPU_TAINT, Pool, PoolArgs, name_of
from infra.clusters.eks.repositories import Repositories, RepositoriesArgs
from infra.clusters.kind_config import APP_NODE_PORT
from infra.images.recipe import RECIPES
from infra.labels import labels
from infra.machine import Machine
from infra.registry import Registry, parse
from infra.schema import Settings
from infra.schema.cluster import EKS_CLASS, GpuPool, SystemPool, Toleration
from infra.schema.edge_choices import service_type
from infra.schema.models import ROLES

# a Service's load balancer is reached from the network and what is connected to it, not by all
INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
}


def build_eks_cluster(settings: Settings, catalog: Catalog, _machine: Machine) -> Cluster:
    """Make the cluster and all that it stands on; destroy takes it down in the reverse order."""
    stack, cluster, app = pulumi.get_stack(), settings.cluster, settings.app
    if cluster.account is None or cluster.region is None:
        message = "a cluster at AWS needs cluster.account and cluster.region"
        raise ValueError(message)
    name, region = f"stackyard-{stack}", cluster.region
    provider = aws.Provider(
        "aws",
        region=region,
        allowed_account_ids=[cluster.account],
        default_tags=aws.ProviderDefaultTagsArgs(tags={TAG: stack}),
    )
    opts = pulumi.ResourceOptions(providers=[provider])
    roles = Roles("iam", RolesArgs(stack=stack, region=region), opts)
    network = Network("net", NetworkArgs(stack=stack, region=region, settings=cluster), opts)
    plane = ControlPlane(
        "eks",
        ControlPlaneArgs(name=name, region=region, settings=cluster, network=network, roles=roles),
        opts,
    )
    before = Addons(
        "eks-base",
        AddonsArgs(cluster=plane.cluster.name, names=BEFORE_NODES, roles=roles),
        opts,
    )
    joinable = [*before.made, *roles.attached, *network.ways]
    every: list[SystemPool | GpuPool] = [cluster.system_pool, *cluster.gpu_pools]
    pools = [
        Pool(
            f"nodes-{name_of(pool)}",
            PoolArgs(
                stack=stack,
                cluster=plane.cluster.name,
                version=cluster.version,
                role_arn=roles.arn("node"),
                subnets=[network.private[zone] for zone in pool.zones or cluster.zones],
                settings=pool,
                operator=settings.gpu_operator,
                after=joinable,
                hours=settings.models.hours,
            ),
            opts,
        )
        for pool in every
    ]
    groups = [pool.group for pool in pools]
    after = Addons(
        "eks-more",
        AddonsArgs(cluster=plane.cluster.name, names=AFTER_NODES, roles=roles, after=groups),
        opts,
    )
    config = pulumi.Output.all(
        plane.cluster.name, plane.cluster.endpoint, plane.cluster.certificate_authority.data
    ).apply(lambda parts: kubeconfig(str(parts[0]), str(parts[1]), str(parts[2]), region))
    # After everything that a pod needs to run and, at destroy, to end: a load balancer's and a
    # volume's removal is done by what runs on the nodes.
    kubernetes = k8s.Provider(
        "kubernetes",
        kubeconfig=config,
        opts=pulumi.ResourceOptions(depends_on=[*plane.entries, *groups, *after.made]),
    )
    storage = None if cluster.bare else _storage_class(stack, kubernetes).metadata.name
    registry, repositories = _registry(settings, catalog, stack, opts)
    expose = service_type(app)
    return Cluster(
        provider=kubernetes,
        storage_class=storage,
        registry=registry,
        expose=expose,
        node_port=(app.node_port or APP_NODE_PORT) if expose == "NodePort" else None,
        url=app.url,
        kubeconfig=config,
        pushable=list(repositories.made.values()) if repositories else [],
        gpu=GpuPlace(
            node_selector={GPU_LABEL: "true"},
            tolerations=[Toleration.model_validate({"key": GPU_TAINT})],
        ),
        load_balancer=INTERNAL,
        copies_images=repositories is not None,
    )


def _storage_class(stack: str, provider: k8s.Provider) -> k8s.storage.v1.StorageClass:
    return k8s.storage.v1.StorageClass(
        "storage",
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=EKS_CLASS,
            labels=labels("storage", "storage", stack),
            annotations={"storageclass.kubernetes.io/is-default-class": "true"},
        ),
        provisioner="ebs.csi.aws.com",
        volume_binding_mode="WaitForFirstConsumer",  # in the zone of the pod
        allow_volume_expansion=True,
        reclaim_policy="Delete",
        parameters={
            "type": "gp3",
            "encrypted": "true",
            "tagSpecification_1": f"{TAG}={stack}",
        },
        opts=pulumi.ResourceOptions(provider=provider),
    )


def _registry(
    settings: Settings, catalog: Catalog, stack: str, opts: pulumi.ResourceOptions
) -> tuple[Registry, Repositories | None]:
    """Return where images go: the account's registry, or one that the stack names."""
    registry = eks_registry(settings, stack)
    if settings.registry.host is not None:
        return registry, None
    models = settings.models
    built = {
        "app": True,
        "models": any(models.kind_of(models.role(role)) == "local" for role in ROLES),
        "qdrant": catalog.qdrant is None,
        "importer": settings.airgapped
        or any(models.role(role).artefact is not None for role in ROLES),
    }
    ours = [registry.reference(f"stackyard/{name}").path for name in RECIPES if built[name]]
    theirs = [parse(image).path for image in catalog.sources]
    paths = sorted({*ours, *theirs})
    return registry, Repositories("images", RepositoriesArgs(paths=paths), opts)
