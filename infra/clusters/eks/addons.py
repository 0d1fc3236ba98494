"""What EKS installs into the cluster: before the nodes what makes a node ready, the rest after."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.clusters.eks.iam import Roles

# Versions are EKS's default for the Kubernetes version: asking for the newest would need the
# network in every preview.
BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
AFTER_NODES = ("coredns", "aws-ebs-csi-driver")  # Deployments: not active before a node is there
CONFIGURATION = {"vpc-cni": {"enableNetworkPolicy": "true"}}  # off by default, and then none holds
VOLUMES_ACCOUNT = "ebs-csi-controller-sa"


@dataclass(frozen=True, kw_only=True)
class AddonsArgs:
    cluster: pulumi.Input[str]
    names: Sequence[str]
    roles: Roles
    after: Sequence[pulumi.Resource] = ()


class Addons(pulumi.ComponentResource):
    """Some add-ons of one cluster."""

    made: list[pulumi.Resource]

    def __init__(
        self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:eks:Addons", name, None, opts)
        self.made = [
            aws.eks.Addon(
                f"{name}-{addon}",
                cluster_name=args.cluster,
                addon_name=addon,
                configuration_values=(
                    json.dumps(CONFIGURATION[addon]) if addon in CONFIGURATION else None
                ),
                pod_identity_associations=(
                    [
                        aws.eks.AddonPodIdentityAssociationArgs(
                            role_arn=args.roles.arn("volumes"), service_account=VOLUMES_ACCOUNT
                        )
                    ]
                    if addon == "aws-ebs-csi-driver"
                    else None
                ),
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="PRESERVE",
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
            )
            for addon in args.names
        ]
        self.register_outputs({})
