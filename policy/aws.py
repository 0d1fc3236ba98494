"""Rules over what a stack of kind eks makes at AWS."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import UNKNOWN, Resource, Rule, at, is_true, rows

ANYWHERE = {"0.0.0.0/0", "::/0"}
POLICIES = (
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
ATTACHMENTS = ("aws:iam/rolePolicyAttachment:RolePolicyAttachment",)
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
CLUSTER = "aws:eks/cluster:Cluster"


def _statements(document: object) -> list[Mapping[str, Any]]:
    """Return the statements of an IAM policy, given as text or as a mapping."""
    if isinstance(document, str) and document != UNKNOWN:
        document = json.loads(document)
    found = at(document, "Statement")
    return [found] if isinstance(found, Mapping) else rows(found)


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else rows(value)


def _wildcard_actions(resource: Resource) -> Iterator[str]:
    for number, each in enumerate(_statements(resource.body.get("policy"))):
        if each.get("Effect") != "Allow":
            continue
        wide = [
            action
            for action in _texts(each.get("Action"))
            if action == "*" or action.endswith(":*")
        ]
        if wide or "NotAction" in each:
            yield f"statement {number} allows {', '.join(wide) or 'all actions but some'}"


def _wildcard_resources(resource: Resource) -> Iterator[str]:
    for number, each in enumerate(_statements(resource.body.get("policy"))):
        wide = each.get("Effect") == "Allow" and "*" in _texts(each.get("Resource"))
        if wide and not each.get("Condition"):
            yield f"statement {number} holds for every resource, without a condition"


def _administrator(resource: Resource) -> Iterator[str]:
    arn = resource.body.get("policyArn") or ""
    if arn.endswith(("/AdministratorAccess", "/PowerUserAccess", "/IAMFullAccess")):
        yield f"attaches {arn}"


def _old_metadata(resource: Resource) -> Iterator[str]:
    options = resource.body.get("metadataOptions") or {}
    if options.get("httpTokens") not in ("required", UNKNOWN):
        yield "metadataOptions.httpTokens is not required"
    hops = options.get("httpPutResponseHopLimit")
    if isinstance(hops, int | float) and hops > 1:
        yield f"metadataOptions.httpPutResponseHopLimit is {int(hops)}, so pods reach it"


def _plain_disk(resource: Resource) -> Iterator[str]:
    for number, each in enumerate(rows(resource.body.get("blockDeviceMappings"))):
        if str(at(each, "ebs", "encrypted")).lower() not in ("true", UNKNOWN):
            yield f"blockDeviceMappings[{number}].ebs.encrypted is not true"


def _open_endpoint(resource: Resource) -> Iterator[str]:
    network = resource.body.get("vpcConfig") or {}
    if network.get("endpointPublicAccess") is False:
        return
    ranges = set(rows(network.get("publicAccessCidrs")))
    if network.get("publicAccessCidrs") != UNKNOWN and (not ranges or ranges & ANYWHERE):
        yield "vpcConfig.publicAccessCidrs lets the whole internet at the API server"


def _plain_secrets(resource: Resource) -> Iterator[str]:
    config = resource.body.get("encryptionConfig")
    if config != UNKNOWN and "secrets" not in rows(at(config, "resources")):
        yield "encryptionConfig.resources has no secrets"


def _unlogged(resource: Resource) -> Iterator[str]:
    logs = resource.body.get("enabledClusterLogTypes")
    absent = {"api", "audit", "authenticator"} - set(rows(logs))
    if logs != UNKNOWN and absent:
        yield f"enabledClusterLogTypes has no {', '.join(sorted(absent))}"


def _open_group(resource: Resource) -> Iterator[str]:
    for number, each in enumerate(rows(resource.body.get("ingress"))):
        ranges = {*rows(each.get("cidrBlocks")), *rows(each.get("ipv6CidrBlocks"))}
        if ranges & ANYWHERE:
            yield f"ingress[{number}] lets in {', '.join(sorted(ranges & ANYWHERE))}"


def _mutable(resource: Resource) -> Iterator[str]:
    if resource.body.get("imageTagMutability") not in ("IMMUTABLE", UNKNOWN):
        yield "imageTagMutability is not IMMUTABLE"


def _unscanned(resource: Resource) -> Iterator[str]:
    if not is_true(at(resource.body, "imageScanningConfiguration", "scanOnPush")):
        yield "imageScanningConfiguration.scanOnPush is not true"


def _unrotated(resource: Resource) -> Iterator[str]:
    if not is_true(resource.body.get("enableKeyRotation")):
        yield "enableKeyRotation is not true"


RULES = (
    Rule(
        "iam-no-wildcard-action",
        POLICIES,
        "A wildcard also allows what AWS invents tomorrow.",
        "name the actions that are used",
        _wildcard_actions,
        also=("checkov CKV_AWS_63",),
    ),
    Rule(
        "iam-no-wildcard-resource",
        POLICIES,
        "The rights hold for other teams' resources in the account too.",
        "name the ARNs, or add a condition on the stack's tag",
        _wildcard_resources,
        also=("checkov CKV_AWS_355",),
    ),
    Rule(
        "iam-no-administrator",
        ATTACHMENTS,
        "A node or a pod that is an administrator is the account.",
        "attach the policy of the one service",
        _administrator,
        also=("checkov CKV_AWS_274",),
    ),
    Rule(
        "metadata-service-v2",
        (TEMPLATE,),
        "Version 1 hands the node's credentials to any request that a pod can be made to send.",
        "set httpTokens: required and a hop limit of 1",
        _old_metadata,
        also=("checkov CKV_AWS_79",),
    ),
    Rule(
        "node-disk-encrypted",
        (TEMPLATE,),
        "Weights, images and whatever pods write lie on it.",
        "set ebs.encrypted: true",
        _plain_disk,
        also=("checkov CKV_AWS_8",),
    ),
    Rule(
        "api-endpoint-limited",
        (CLUSTER,),
        "The API server is the way to everything else.",
        "set cluster.endpointCidrs, or cluster.endpoint: private",
        _open_endpoint,
        also=("checkov CKV_AWS_38",),
    ),
    Rule(
        "cluster-secrets-encrypted",
        (CLUSTER,),
        "Secrets in etcd are base64 and nothing more.",
        "set encryptionConfig with a KMS key",
        _plain_secrets,
        also=("checkov CKV_AWS_58",),
    ),
    Rule(
        "control-plane-logged",
        (CLUSTER,),
        "Without the audit log nobody can say who did it.",
        "enable api, audit and authenticator",
        _unlogged,
        also=("checkov CKV_AWS_37",),
    ),
    Rule(
        "no-open-security-group",
        (
            "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        ),
        "Nodes and databases are nobody's business outside.",
        "name the ranges that need it",
        _open_group,
        also=("checkov CKV_AWS_260",),
    ),
    Rule(
        "repository-immutable",
        ("aws:ecr/repository:Repository",),
        "An image that was looked at must not be replaced under its tag.",
        "set imageTagMutability: IMMUTABLE",
        _mutable,
        also=("checkov CKV_AWS_51",),
    ),
    Rule(
        "repository-scanned",
        ("aws:ecr/repository:Repository",),
        "Known holes are found when the image comes, not when it is used.",
        "set scanOnPush: true",
        _unscanned,
        also=("checkov CKV_AWS_163",),
    ),
    Rule(
        "key-rotated",
        ("aws:kms/key:Key",),
        "A key that leaked once stays leaked until it changes.",
        "set enableKeyRotation: true",
        _unrotated,
        also=("checkov CKV_AWS_7",),
    ),
)
