"""Who may do what at AWS: every role of the program and every policy, with the reason for each."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.clusters.aws_place import partition, service_principal


@dataclass(frozen=True)
class Policy:
    """A policy that AWS keeps, and what it is needed for."""

    name: str
    allows: str


@dataclass(frozen=True)
class RoleSpec:
    """One role: who may take it on, by which actions, and what it may do then."""

    principal: str
    actions: tuple[str, ...]
    policies: tuple[Policy, ...]


ASSUME, TAG_SESSION = "sts:AssumeRole", "sts:TagSession"
# No policy is written by us: AWS's own are narrower for these services than what can be written
# without knowing the ids of what they will make.
ROLES = {
    "cluster": RoleSpec(
        "eks",
        (ASSUME,),
        (Policy("AmazonEKSClusterPolicy", "the control plane manages its network interfaces"),),
    ),
    "node": RoleSpec(
        "ec2",
        (ASSUME,),
        (
            Policy("AmazonEKSWorkerNodePolicy", "a node finds its cluster and registers itself"),
            Policy("AmazonEKS_CNI_Policy", "the CNI plugin gives addresses to pods"),
            Policy("AmazonEC2ContainerRegistryPullOnly", "kubelet pulls images, pushes none"),
        ),
    ),
    "volumes": RoleSpec(
        "pods.eks",
        (ASSUME, TAG_SESSION),
        (
            Policy(
                "service-role/AmazonEBSCSIDriverPolicyV2",
                "the EBS driver makes, attaches and removes volumes that it tagged itself",
            ),
        ),
    ),
}


def trust(spec: RoleSpec) -> str:
    """Return the document that says who may take a role on."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service_principal(spec.principal)},
                    "Action": list(spec.actions),
                }
            ],
        }
    )


@dataclass(frozen=True, kw_only=True)
class RolesArgs:
    stack: str
    region: str


class Roles(pulumi.ComponentResource):
    """The roles of ROLES; `attached` is what must exist before one of them can work."""

    attached: list[pulumi.Resource]

    def __init__(
        self, name: str, args: RolesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:eks:Roles", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._roles: dict[str, aws.iam.Role] = {}
        self.attached = []
        for role, spec in ROLES.items():
            made = aws.iam.Role(
                f"{name}-{role}",
                name=f"stackyard-{args.stack}-{args.region}-{role}",
                assume_role_policy=trust(spec),
                opts=child,
            )
            self._roles[role] = made
            for policy in spec.policies:
                self.attached.append(
                    aws.iam.RolePolicyAttachment(
                        f"{name}-{role}-{policy.name.rpartition('/')[2]}",
                        role=made.name,
                        policy_arn=f"arn:{partition(args.region)}:iam::aws:policy/{policy.name}",
                        opts=child,
                    )
                )
        self.register_outputs({})

    def arn(self, role: str) -> pulumi.Output[str]:
        """Return a role's ARN by its name in ROLES."""
        return self._roles[role].arn
