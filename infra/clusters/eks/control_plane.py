"""The control plane of an EKS cluster: encrypted, logged, reached by a few, paid at one rate."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.clusters.aws_place import partition
from infra.clusters.eks.iam import Roles
from infra.clusters.eks.network import Network
from infra.schema.cluster import ClusterSettings

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
LOG_DAYS = 90
ADMIN_POLICY = "AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True, kw_only=True)
class ControlPlaneArgs:
    name: str
    region: str
    settings: ClusterSettings
    network: Network
    roles: Roles


class ControlPlane(pulumi.ComponentResource):
    """One control plane; `entries` is who may administer it beside who made it."""

    cluster: aws.eks.Cluster
    entries: list[pulumi.Resource]

    def __init__(
        self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:eks:ControlPlane", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        public = settings.endpoint == "public"
        key = aws.kms.Key(
            f"{name}-key",
            description=f"secrets of the Kubernetes cluster {args.name}",
            enable_key_rotation=True,
            deletion_window_in_days=30,  # time to notice that a backup needed it
            opts=child,
        )
        # made by us, or EKS makes it without an end and destroy leaves it behind
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/aws/eks/{args.name}/cluster",
            retention_in_days=LOG_DAYS,
            opts=child,
        )
        self.cluster = aws.eks.Cluster(
            f"{name}-cluster",
            name=args.name,
            version=settings.version,
            role_arn=args.roles.arn("cluster"),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=[subnet.id for subnet in args.network.private.values()],
                endpoint_private_access=True,  # nodes reach it without the NAT gateway
                endpoint_public_access=public,
                public_access_cidrs=settings.endpoint_cidrs if public else None,
                # beside EKS's own group, which lets only nodes in
                security_group_ids=None if public else [self._inside(name, args).id],
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API",
                bootstrap_cluster_creator_admin_permissions=True,
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=list(LOGS),
            # the default, EXTENDED, goes on at a multiple of the price after 14 months
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            bootstrap_self_managed_addons=False,  # addons.py has them all
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[logs, *args.roles.attached, *args.network.ways],
                custom_timeouts=pulumi.CustomTimeouts(create="30m", update="60m", delete="30m"),
            ),
        )
        self.entries = []
        for number, principal in enumerate(settings.admins):
            entry = aws.eks.AccessEntry(
                f"{name}-admin-{number}",
                cluster_name=self.cluster.name,
                principal_arn=principal,
                opts=child,
            )
            policy = f"arn:{partition(args.region)}:eks::aws:cluster-access-policy/{ADMIN_POLICY}"
            self.entries.append(
                aws.eks.AccessPolicyAssociation(
                    f"{name}-admin-{number}",
                    cluster_name=self.cluster.name,
                    principal_arn=entry.principal_arn,
                    policy_arn=policy,
                    access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                    opts=child,
                )
            )
        self.register_outputs({"name": self.cluster.name})

    def _inside(self, name: str, args: ControlPlaneArgs) -> aws.ec2.SecurityGroup:
        """Let those who administer a private cluster reach its API server."""
        return aws.ec2.SecurityGroup(
            f"{name}-api",
            vpc_id=args.network.vpc.id,
            description="HTTPS to the API server from inside and from connected networks",
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    protocol="tcp",
                    from_port=443,
                    to_port=443,
                    cidr_blocks=args.settings.endpoint_cidrs,
                    description="those of cluster.endpointCidrs",
                )
            ],
            egress=[],
            tags={"Name": f"{args.name}-api"},
            opts=pulumi.ResourceOptions(parent=self),
        )
