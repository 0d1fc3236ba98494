"""What pulumi-aws would ask of AWS for a resource, as far as this program uses each type."""

from collections.abc import Callable
from typing import Any

from tests.stacks.doubles.service_models import UNKNOWN, problems

Inputs = dict[str, Any]


def _eks_cluster(given: Inputs) -> Inputs:
    encryption = given["encryptionConfig"]
    return {
        "name": given["name"],
        "version": given["version"],
        "roleArn": given["roleArn"],
        "resourcesVpcConfig": given["vpcConfig"],
        "accessConfig": given["accessConfig"],
        "encryptionConfig": [encryption],
        "upgradePolicy": given["upgradePolicy"],
        "bootstrapSelfManagedAddons": given["bootstrapSelfManagedAddons"],
        "logging": {
            "clusterLogging": [{"types": given["enabledClusterLogTypes"], "enabled": True}]
        },
    }


def _node_group(given: Inputs) -> Inputs:
    return _renamed(
        given, nodeGroupNamePrefix="nodegroupName", subnetIds="subnets", nodeRoleArn="nodeRole"
    )


def _addon(given: Inputs) -> Inputs:
    asked = _renamed(given, resolveConflictsOnCreate="resolveConflicts")
    asked.pop("resolveConflictsOnUpdate")
    return asked


def _launch_template(given: Inputs) -> Inputs:
    data = {
        key: given[key] for key in ("metadataOptions", "blockDeviceMappings", "tagSpecifications")
    }
    for mapping in data["blockDeviceMappings"]:
        ebs = mapping["ebs"]
        for flag in ("encrypted", "deleteOnTermination"):  # pulumi-aws has them as texts
            ebs[flag] = {"true": True, "false": False}[ebs[flag]]
    return {"LaunchTemplateName": given["namePrefix"], **_capital({"launchTemplateData": data})}


def _vpc_endpoint(given: Inputs) -> Inputs:
    return _capital(_without(given, "tags"))


def _security_group(given: Inputs) -> Inputs:
    return {"Description": given["description"], "GroupName": "made", "VpcId": given["vpcId"]}


def _role(given: Inputs) -> Inputs:
    return {
        "RoleName": given["name"],
        "AssumeRolePolicyDocument": given["assumeRolePolicy"],
    }


def _repository(given: Inputs) -> Inputs:
    (encryption,) = given["encryptionConfigurations"]
    return {
        "repositoryName": given["name"],
        "imageTagMutability": given["imageTagMutability"],
        "imageScanningConfiguration": given["imageScanningConfiguration"],
        "encryptionConfiguration": encryption,
    }


def _scaling_tag(given: Inputs) -> Inputs:
    tag = given["tag"]
    return {
        "Tags": [
            {
                "ResourceId": given["autoscalingGroupName"],
                "ResourceType": "auto-scaling-group",
                **_capital(tag),
            }
        ]
    }


# type -> service, operation, and the request from the inputs
REQUESTS: dict[str, tuple[str, str, Callable[[Inputs], Inputs]]] = {
    "eks/cluster:Cluster": ("eks", "CreateCluster", _eks_cluster),
    "eks/nodeGroup:NodeGroup": ("eks", "CreateNodegroup", _node_group),
    "eks/addon:Addon": ("eks", "CreateAddon", _addon),
    "eks/accessEntry:AccessEntry": ("eks", "CreateAccessEntry", lambda given: given),
    "eks/accessPolicyAssociation:AccessPolicyAssociation": (
        *("eks", "AssociateAccessPolicy"),
        lambda given: given,
    ),
    "ec2/vpc:Vpc": (
        *("ec2", "CreateVpc"),
        lambda given: {"CidrBlock": given["cidrBlock"]},
    ),
    "ec2/subnet:Subnet": (
        *("ec2", "CreateSubnet"),
        lambda given: _capital(_without(given, "tags", "mapPublicIpOnLaunch")),
    ),
    "ec2/eip:Eip": ("ec2", "AllocateAddress", lambda given: _capital(_without(given, "tags"))),
    "ec2/natGateway:NatGateway": (
        *("ec2", "CreateNatGateway"),
        lambda given: _capital(_without(given, "tags")),
    ),
    "ec2/internetGateway:InternetGateway": (
        *("ec2", "AttachInternetGateway"),
        lambda given: {"InternetGatewayId": "made", "VpcId": given["vpcId"]},
    ),
    "ec2/routeTable:RouteTable": (
        *("ec2", "CreateRouteTable"),
        lambda given: _capital(_without(given, "tags")),
    ),
    "ec2/route:Route": ("ec2", "CreateRoute", lambda given: _capital(given)),
    "ec2/routeTableAssociation:RouteTableAssociation": (
        *("ec2", "AssociateRouteTable"),
        lambda given: _capital(given),
    ),
    "ec2/vpcEndpoint:VpcEndpoint": ("ec2", "CreateVpcEndpoint", _vpc_endpoint),
    "ec2/securityGroup:SecurityGroup": ("ec2", "CreateSecurityGroup", _security_group),
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": (
        *("ec2", "DescribeSecurityGroups"),
        lambda given: {"Filters": [{"Name": "vpc-id", "Values": [given["vpcId"]]}]},
    ),
    "ec2/launchTemplate:LaunchTemplate": ("ec2", "CreateLaunchTemplate", _launch_template),
    "iam/role:Role": ("iam", "CreateRole", _role),
    "iam/rolePolicyAttachment:RolePolicyAttachment": (
        *("iam", "AttachRolePolicy"),
        lambda given: {"RoleName": given["role"], "PolicyArn": given["policyArn"]},
    ),
    "kms/key:Key": (
        *("kms", "CreateKey"),
        lambda given: {"Description": given["description"]},
    ),
    "cloudwatch/logGroup:LogGroup": (
        *("logs", "PutRetentionPolicy"),
        lambda given: {
            "logGroupName": given["name"],
            "retentionInDays": given["retentionInDays"],
        },
    ),
    "ecr/repository:Repository": ("ecr", "CreateRepository", _repository),
    "autoscaling/schedule:Schedule": (
        *("autoscaling", "PutScheduledUpdateGroupAction"),
        lambda given: _capital(_renamed(given, autoscalingGroupName="autoScalingGroupName")),
    ),
    "autoscaling/tag:Tag": ("autoscaling", "CreateOrUpdateTags", _scaling_tag),
}


def refusals(kind: str, inputs: Inputs) -> list[str]:
    """Return why AWS would refuse a resource of a type such as eks/cluster:Cluster."""
    if kind not in REQUESTS:
        return [f"the double of AWS does not know {kind}: add it to tests/stacks/doubles"]
    service, operation, request = REQUESTS[kind]
    return problems(service, operation, request(inputs))


def _capital(given: Inputs) -> Inputs:
    """Return inputs with EC2's names: the first letter of each is large."""
    return {
        key[:1].upper() + key[1:]: _tags(each) if key == "tags" else _capitals(each)
        for key, each in given.items()
    }


def _capitals(value: Any) -> Any:
    if isinstance(value, list):
        return [_capitals(each) for each in value]
    return _capital(value) if isinstance(value, dict) else value


def _tags(given: Any) -> Any:
    return given if given == UNKNOWN else [{"Key": k, "Value": v} for k, v in given.items()]


def _without(given: Inputs, *names: str) -> Inputs:
    return {key: value for key, value in given.items() if key not in names}


def _renamed(given: Inputs, **names: str) -> Inputs:
    return {names.get(key, key): value for key, value in given.items()}
