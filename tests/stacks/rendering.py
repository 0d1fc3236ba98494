"""A recorded deployment as other tools read it: a CloudFormation template, Kubernetes manifests."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.infra.recorder import Deployment
from tests.stacks.openapi import whole

Json = dict[str, Any]


def _pascal(value: Any) -> Any:
    """Return a value with its keys as CloudFormation spells them, but for maps of texts."""
    if isinstance(value, dict):
        return {f"{key[0].upper()}{key[1:]}": _pascal(each) for key, each in value.items()}
    return [_pascal(each) for each in value] if isinstance(value, list) else value


def _tags(given: Json) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in given.items()]


def _cluster(given: Json) -> Json:
    place = given["vpcConfig"]
    return {
        "Name": given["name"],
        "RoleArn": given["roleArn"],
        "Version": given["version"],
        "ResourcesVpcConfig": {
            "SubnetIds": place["subnetIds"],
            "EndpointPrivateAccess": place["endpointPrivateAccess"],
            "EndpointPublicAccess": place["endpointPublicAccess"],
            "PublicAccessCidrs": place.get("publicAccessCidrs", []),
        },
        "AccessConfig": _pascal(given["accessConfig"]),
        "EncryptionConfig": [_pascal(given["encryptionConfig"])],
        "Logging": {
            "ClusterLogging": {
                "EnabledTypes": [{"Type": each} for each in given["enabledClusterLogTypes"]]
            }
        },
        "UpgradePolicy": _pascal(given["upgradePolicy"]),
    }


def _node_group(given: Json) -> Json:
    scaling = given["scalingConfig"]
    return {
        "ClusterName": given["clusterName"],
        "NodeRole": given["nodeRoleArn"],
        "Subnets": given["subnetIds"],
        "AmiType": given["amiType"],
        "CapacityType": given["capacityType"],
        "InstanceTypes": given["instanceTypes"],
        "ScalingConfig": _pascal(scaling),
        "LaunchTemplate": _pascal(given["launchTemplate"]),
        "Labels": given["labels"],
        "Taints": _pascal(given.get("taints", [])),
    }


def _launch_template(given: Json) -> Json:
    disks = _pascal(given["blockDeviceMappings"])
    for each in disks:
        flags = ("Encrypted", "DeleteOnTermination")  # texts in the provider, by its history
        each["Ebs"] |= {flag: each["Ebs"][flag] == "true" for flag in flags}
    data = {"MetadataOptions": _pascal(given["metadataOptions"]), "BlockDeviceMappings": disks}
    return {"LaunchTemplateData": data}


def _repository(given: Json) -> Json:
    (encryption,) = given["encryptionConfigurations"]
    return {
        "RepositoryName": given["name"],
        "ImageTagMutability": given["imageTagMutability"],
        "ImageScanningConfiguration": _pascal(given["imageScanningConfiguration"]),
        "EncryptionConfiguration": _pascal(encryption),
    }


def _role(given: Json) -> Json:
    return {
        "RoleName": given["name"],
        "AssumeRolePolicyDocument": json.loads(given["assumeRolePolicy"]),
    }


def _security_group(given: Json) -> Json:
    def rules(kind: str) -> list[Json]:
        return [
            {
                "IpProtocol": each["protocol"],
                "FromPort": each["fromPort"],
                "ToPort": each["toPort"],
                "CidrIp": block,
                "Description": each.get("description"),
            }
            for each in given.get(kind, [])
            for block in each.get("cidrBlocks", [])
        ]

    return {
        "GroupDescription": given["description"],
        "VpcId": given["vpcId"],
        "SecurityGroupIngress": rules("ingress"),
        "SecurityGroupEgress": rules("egress"),
    }


def _key(given: Json) -> Json:
    return {
        "Description": given["description"],
        "EnableKeyRotation": given["enableKeyRotation"],
        "PendingWindowInDays": given["deletionWindowInDays"],
    }


def _as_named(*names: str) -> Callable[[Json], Json]:
    """Return a rendering of properties that both sides name alike."""
    return lambda given: {
        **_pascal({name: given[name] for name in names if name in given}),
        **({"Tags": _tags(given["tags"])} if "tags" in given else {}),
    }


# type of the provider -> CloudFormation's, and how its properties are told there
CLOUDFORMATION: dict[str, tuple[str, Callable[[Json], Json]]] = {
    "aws:cloudwatch/logGroup:LogGroup": (
        "AWS::Logs::LogGroup",
        lambda given: {"LogGroupName": given["name"], "RetentionInDays": given["retentionInDays"]},
    ),
    "aws:ec2/eip:Eip": ("AWS::EC2::EIP", _as_named("domain")),
    "aws:ec2/internetGateway:InternetGateway": ("AWS::EC2::InternetGateway", _as_named()),
    "aws:ec2/launchTemplate:LaunchTemplate": ("AWS::EC2::LaunchTemplate", _launch_template),
    "aws:ec2/natGateway:NatGateway": (
        "AWS::EC2::NatGateway",
        _as_named("allocationId", "subnetId"),
    ),
    "aws:ec2/route:Route": (
        "AWS::EC2::Route",
        _as_named("routeTableId", "destinationCidrBlock", "gatewayId", "natGatewayId"),
    ),
    "aws:ec2/routeTable:RouteTable": ("AWS::EC2::RouteTable", _as_named("vpcId")),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        "AWS::EC2::SubnetRouteTableAssociation",
        _as_named("routeTableId", "subnetId"),
    ),
    "aws:ec2/securityGroup:SecurityGroup": ("AWS::EC2::SecurityGroup", _security_group),
    "aws:ec2/subnet:Subnet": (
        "AWS::EC2::Subnet",
        _as_named("vpcId", "availabilityZone", "cidrBlock", "mapPublicIpOnLaunch"),
    ),
    "aws:ec2/vpc:Vpc": (
        "AWS::EC2::VPC",
        _as_named("cidrBlock", "enableDnsHostnames", "enableDnsSupport"),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "AWS::EC2::VPCEndpoint",
        _as_named("vpcId", "serviceName", "vpcEndpointType", "subnetIds", "securityGroupIds"),
    ),
    "aws:ecr/repository:Repository": ("AWS::ECR::Repository", _repository),
    "aws:eks/accessEntry:AccessEntry": (
        "AWS::EKS::AccessEntry",
        _as_named("clusterName", "principalArn"),
    ),
    "aws:eks/addon:Addon": ("AWS::EKS::Addon", _as_named("clusterName", "addonName")),
    "aws:eks/cluster:Cluster": ("AWS::EKS::Cluster", _cluster),
    "aws:eks/nodeGroup:NodeGroup": ("AWS::EKS::Nodegroup", _node_group),
    "aws:iam/role:Role": ("AWS::IAM::Role", _role),
    "aws:kms/key:Key": ("AWS::KMS::Key", _key),
}
# what CloudFormation has no resource for, or as a part of another
WITHOUT = {
    "aws:autoscaling/tag:Tag",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
}


def cloudformation(found: Deployment) -> Json:
    """Return the template of what a deployment makes at AWS; KeyError for a type not known here."""
    resources: Json = {}
    attached: dict[str, list[str]] = {}
    for each in found.resources:
        if each.type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
            attached.setdefault(each.inputs["role"], []).append(each.inputs["policyArn"])
        if not each.type.startswith("aws:") or each.type in WITHOUT:
            continue
        kind, properties = CLOUDFORMATION[each.type]
        words = re.split(r"[^A-Za-z0-9]+", f"{each.name}-{kind.rpartition(':')[2]}")
        name = "".join(word.capitalize() for word in words)
        resources[name] = {"Type": kind, "Properties": properties(whole(each.inputs))}
    for each in resources.values():
        if each["Type"] == "AWS::IAM::Role":
            each["Properties"]["ManagedPolicyArns"] = attached[each["Properties"]["RoleName"]]
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def manifests(found: Deployment) -> Iterator[tuple[str, Json]]:
    """Yield name and content of each Kubernetes object; what the provider names gets a name."""
    for each in found.resources:
        if "apiVersion" in each.inputs and "kind" in each.inputs:
            content = whole(each.inputs)
            content["metadata"].setdefault("name", f"{each.name}-auto")
            yield f"{each.name}-{content['kind']}".lower(), content
