"""For each rule one object that keeps it, and those that break it and nothing else."""

import copy
import json
from collections.abc import Callable
from typing import Any

from policy.rule import Resource

Body = dict[str, Any]
Change = Callable[[Body], object]
DIGEST = "@sha256:" + "a" * 64


def pod_of(body: Body) -> Body:
    spec: Body = body["spec"]["template"]["spec"]
    return spec


def container_of(body: Body) -> Body:
    first: Body = pod_of(body)["containers"][0]
    return first


def security_of(body: Body) -> Body:
    context: Body = container_of(body)["securityContext"]
    return context


DEPLOYMENT: Body = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "rag", "namespace": "rag-dev"},
    "spec": {
        "selector": {"matchLabels": {"app": "rag"}},
        "template": {
            "metadata": {"labels": {"app": "rag"}},
            "spec": {
                "serviceAccountName": "rag",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "rag",
                        "image": f"registry.example.com/rag{DIGEST}",
                        "env": [{"name": "MODEL_TIMEOUT", "value": "30"}],
                        "ports": [{"containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
                        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "128Mi"},
                            "limits": {"memory": "256Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
    },
}
NAMESPACE: Body = {
    "kind": "Namespace",
    "metadata": {"name": "rag-dev", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
SERVICE: Body = {
    "kind": "Service",
    "metadata": {"namespace": "rag-dev"},
    "spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
}
INGRESS: Body = {"kind": "Ingress", "spec": {"tls": [{"hosts": ["rag.example.com"]}]}}
GATEWAY: Body = {"kind": "Gateway", "spec": {"listeners": [{"name": "w", "protocol": "HTTPS"}]}}
ROLE: Body = {
    "kind": "Role",
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}
BINDING: Body = {
    "kind": "ClusterRoleBinding",
    "roleRef": {"name": "view"},
    "subjects": [{"kind": "Group", "name": "rag-operators"}],
}
EDGES: Body = {
    "kind": "NetworkPolicy",
    "spec": {
        "egress": [
            {
                "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}],
                "ports": [{"port": 443}],
            }
        ]
    },
}
STORAGE: Body = {
    "kind": "StorageClass",
    "provisioner": "ebs.csi.aws.com",
    "parameters": {"encrypted": "true"},
}
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
STATEMENT: Body = {
    "Effect": "Allow",
    "Action": ["ecr:BatchGetImage"],
    "Resource": "arn:aws:ecr:eu-central-1:111122223333:repository/stackyard/*",
}
POLICY: Body = {"policy": json.dumps({"Statement": [STATEMENT]})}
ATTACHMENT: Body = {"policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}
TEMPLATE: Body = {
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
    "blockDeviceMappings": [{"ebs": {"encrypted": "true"}}],
}
CLUSTER: Body = {
    "vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]},
    "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": "arn:aws:kms:1"}},
    "enabledClusterLogTypes": ["api", "audit", "authenticator"],
}
GROUP: Body = {"ingress": [{"fromPort": 443, "cidrBlocks": ["10.0.0.0/16"]}]}
REPOSITORY: Body = {
    "imageTagMutability": "IMMUTABLE",
    "imageScanningConfiguration": {"scanOnPush": True},
}
KEY: Body = {"enableKeyRotation": True}

GOOD: dict[str, Body] = {
    "Deployment": DEPLOYMENT,
    "Namespace": NAMESPACE,
    "Service": SERVICE,
    "Ingress": INGRESS,
    "Gateway": GATEWAY,
    "Role": ROLE,
    "ClusterRoleBinding": BINDING,
    "NetworkPolicy": EDGES,
    "StorageClass": STORAGE,
    ROLE_POLICY: POLICY,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ATTACHMENT,
    "aws:ec2/launchTemplate:LaunchTemplate": TEMPLATE,
    "aws:eks/cluster:Cluster": CLUSTER,
    "aws:ec2/securityGroup:SecurityGroup": GROUP,
    "aws:ecr/repository:Repository": REPOSITORY,
    "aws:kms/key:Key": KEY,
}


def _allowing(**changed: object) -> Change:
    policy = json.dumps({"Statement": STATEMENT | changed})
    return lambda body: body.update(policy=policy)


# rule -> kind, and the changes that break it
BREAKS: dict[str, tuple[str, list[Change]]] = {
    "image-not-floating": (
        "Deployment",
        [
            lambda body: container_of(body).update(image="registry.example.com/rag"),
            lambda body: container_of(body).update(image="registry.example.com/rag:latest"),
        ],
    ),
    "image-by-digest": (
        "Deployment",
        [lambda body: container_of(body).update(image="registry.example.com/rag:1.2")],
    ),
    "image-from-our-registries": (
        "Deployment",
        [lambda body: container_of(body).update(image=f"registry.example.com.evil/rag{DIGEST}")],
    ),
    "limits-set": (
        "Deployment",
        [
            lambda body: container_of(body).pop("resources"),
            lambda body: container_of(body)["resources"]["limits"].clear(),
        ],
    ),
    "probes-set": (
        "Deployment",
        [
            lambda body: container_of(body).pop("readinessProbe"),
            lambda body: container_of(body).pop("livenessProbe"),
        ],
    ),
    "non-root": (
        "Deployment",
        [
            lambda body: pod_of(body)["securityContext"].pop("runAsNonRoot"),
            lambda body: security_of(body).update(runAsUser=0),
        ],
    ),
    "no-privilege-escalation": (
        "Deployment",
        [lambda body: security_of(body).pop("allowPrivilegeEscalation")],
    ),
    "not-privileged": ("Deployment", [lambda body: security_of(body).update(privileged=True)]),
    "capabilities-dropped": (
        "Deployment",
        [
            lambda body: security_of(body).pop("capabilities"),
            lambda body: security_of(body)["capabilities"].update(add=["SYS_ADMIN"]),
        ],
    ),
    "read-only-root": (
        "Deployment",
        [lambda body: security_of(body).update(readOnlyRootFilesystem=False)],
    ),
    "seccomp-set": (
        "Deployment",
        [lambda body: pod_of(body)["securityContext"]["seccompProfile"].update(type="Unconfined")],
    ),
    "no-secret-in-environment": (
        "Deployment",
        [
            lambda body: container_of(body)["env"].append({"name": "DB_PASSWORD", "value": "x"}),
            lambda body: container_of(body)["env"].append({"name": "NGC_API_KEY", "value": "x"}),
        ],
    ),
    "no-host-path": (
        "Deployment",
        [
            lambda body: pod_of(body)["volumes"].append(
                {"name": "node", "hostPath": {"path": "/etc"}}
            )
        ],
    ),
    "no-host-namespaces": (
        "Deployment",
        [
            lambda body: pod_of(body).update(hostNetwork=True),
            lambda body: pod_of(body).update(hostPID=True),
            lambda body: container_of(body)["ports"][0].update(hostPort=8080),
        ],
    ),
    "no-api-token": (
        "Deployment",
        [lambda body: pod_of(body).pop("automountServiceAccountToken")],
    ),
    "no-service-links": ("Deployment", [lambda body: pod_of(body).pop("enableServiceLinks")]),
    "own-service-account": ("Deployment", [lambda body: pod_of(body).pop("serviceAccountName")]),
    "namespace-enforces-restricted": (
        "Namespace",
        [lambda body: body["metadata"]["labels"].clear()],
    ),
    "no-public-load-balancer": (
        "Service",
        [
            lambda body: body["spec"].pop("loadBalancerSourceRanges"),
            lambda body: body["spec"].update(loadBalancerSourceRanges=["0.0.0.0/0"]),
        ],
    ),
    "ingress-with-tls": ("Ingress", [lambda body: body["spec"].pop("tls")]),
    "gateway-with-tls": (
        "Gateway",
        [lambda body: body["spec"]["listeners"][0].update(protocol="HTTP")],
    ),
    "no-external-addresses": (
        "Service",
        [lambda body: body["spec"].update(externalIPs=["8.8.8.8"])],
    ),
    "no-wildcard-rights": ("Role", [lambda body: body["rules"][0].update(verbs=["*"])]),
    "no-rights-over-rights": (
        "Role",
        [
            lambda body: body["rules"][0].update(verbs=["impersonate"]),
            lambda body: body["rules"][0].update(resources=["pods/exec"], verbs=["create"]),
        ],
    ),
    "no-cluster-admin": (
        "ClusterRoleBinding",
        [
            lambda body: body["roleRef"].update(name="cluster-admin"),
            lambda body: body["subjects"].append({"name": "system:unauthenticated"}),
        ],
    ),
    "no-open-edge": ("NetworkPolicy", [lambda body: body["spec"].update(ingress=[{}])]),
    "metadata-address-blocked": (
        "NetworkPolicy",
        [lambda body: body["spec"]["egress"][0]["to"][0]["ipBlock"].pop("except")],
    ),
    "volume-encrypted": ("StorageClass", [lambda body: body["parameters"].clear()]),
    "own-namespace": ("Service", [lambda body: body["metadata"].pop("namespace")]),
    "iam-no-wildcard-action": (
        ROLE_POLICY,
        [_allowing(Action="*"), _allowing(Action=["s3:*"]), _allowing(NotAction=["iam:*"])],
    ),
    "iam-no-wildcard-resource": (ROLE_POLICY, [_allowing(Resource="*")]),
    "iam-no-administrator": (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        [lambda body: body.update(policyArn="arn:aws:iam::aws:policy/AdministratorAccess")],
    ),
    "metadata-service-v2": (
        "aws:ec2/launchTemplate:LaunchTemplate",
        [
            lambda body: body["metadataOptions"].update(httpTokens="optional"),
            lambda body: body["metadataOptions"].update(httpPutResponseHopLimit=2.0),
        ],
    ),
    "node-disk-encrypted": (
        "aws:ec2/launchTemplate:LaunchTemplate",
        [lambda body: body["blockDeviceMappings"][0]["ebs"].clear()],
    ),
    "api-endpoint-limited": (
        "aws:eks/cluster:Cluster",
        [lambda body: body["vpcConfig"].update(publicAccessCidrs=["0.0.0.0/0"])],
    ),
    "cluster-secrets-encrypted": (
        "aws:eks/cluster:Cluster",
        [lambda body: body.pop("encryptionConfig")],
    ),
    "control-plane-logged": (
        "aws:eks/cluster:Cluster",
        [lambda body: body.update(enabledClusterLogTypes=["api"])],
    ),
    "no-open-security-group": (
        "aws:ec2/securityGroup:SecurityGroup",
        [lambda body: body["ingress"][0].update(cidrBlocks=["0.0.0.0/0"])],
    ),
    "repository-immutable": (
        "aws:ecr/repository:Repository",
        [lambda body: body.update(imageTagMutability="MUTABLE")],
    ),
    "repository-scanned": (
        "aws:ecr/repository:Repository",
        [lambda body: body.pop("imageScanningConfiguration")],
    ),
    "key-rotated": ("aws:kms/key:Key", [lambda body: body.update(enableKeyRotation=False)]),
}


def good(kind: str) -> Body:
    """Return an object that keeps every rule of its kind."""
    return copy.deepcopy(GOOD[kind])


def broken(rule: str) -> list[tuple[str, Body]]:
    """Return kind and body of each object that breaks a rule."""
    kind, changes = BREAKS[rule]
    found = []
    for change in changes:
        body = good(kind)
        change(body)
        found.append((kind, body))
    return found


def resource(kind: str, body: Body, inside: tuple[str, ...] = ()) -> Resource:
    """Return an object as a rule sees it, at a site that has one registry."""
    return Resource(kind, "it", body, inside, {"registries": ["registry.example.com"]})
