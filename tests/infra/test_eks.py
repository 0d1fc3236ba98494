"""The AWS side of an eks stack: what is made, who may do what, what is open to whom."""

import json
import subprocess
import sys
import tomllib
from base64 import b64decode
from typing import Any

import pulumi
import pytest

from infra.clusters.eks.iam import ROLES, trust
from infra.clusters.eks.kubeconfig import kubeconfig
from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.test_gpu_settings import EKS, KEY, NIM
from tests.stacks.doubles.provider import plain
from tests.stacks.doubles.requests import refusals

BOTTLEROCKET = {"name": "br", "instanceTypes": ["g6.2xlarge"], "ami": "bottlerocket"}
SPOT = {
    "name": "spot",
    "instanceTypes": ["g6e.2xlarge", "g5.2xlarge"],
    "zones": ["eu-central-1b"],
    "capacity": "spot",
    "diskThroughput": 1000,
}
PARTS = ("llm", "embedding", "ranking")


@pytest.fixture(scope="module")
def eks(deploy_once: Deploy) -> Deployment:
    cluster = {**EKS, "gpuPools": [SPOT], "admins": ["arn:aws:iam::111122223333:role/admin"]}
    models = {**NIM, "hours": {"end": "18:30", "days": ["mon"], "timeZone": "Europe/Berlin"}}
    return deploy_once({"cluster": cluster, "models": models}, secrets=KEY)


@pytest.fixture(scope="module")
def private(deploy_once: Deploy) -> Deployment:
    inside = {"endpoint": "private", "endpointCidrs": ["10.0.0.0/16", "172.20.0.0/16"]}
    return deploy_once(
        {
            "cluster": {**EKS, **inside, "gpuPools": [BOTTLEROCKET]},
            "registry": {"mirrored": True},
            "gpuOperator": {"chart": "./gpu-operator-v26.7.0.tgz"},
            "models": {
                **NIM,
                **{role: {"preloaded": True} for role in ("llm", "embedding", "ranking")},
            },
        }
    )


def test_the_control_plane_is_encrypted_logged_and_open_to_the_given_addresses(
    eks: Deployment,
) -> None:
    plane = eks["eks-cluster"].inputs

    assert plane["version"] == "1.35"
    assert plane["accessConfig"]["authenticationMode"] == "API"
    assert plane["encryptionConfig"]["resources"] == ["secrets"]
    assert plane["upgradePolicy"] == {"supportType": "STANDARD"}
    assert plane["bootstrapSelfManagedAddons"] is False
    assert len(plane["enabledClusterLogTypes"]) == 5
    assert plane["vpcConfig"]["publicAccessCidrs"] == ["198.51.100.7/32"]
    assert plane["vpcConfig"]["endpointPrivateAccess"] is True
    assert eks["eks-key"].inputs["enableKeyRotation"] is True
    assert eks["eks-logs"].inputs["retentionInDays"] == 90


def test_only_the_given_account_is_touched(eks: Deployment) -> None:
    assert json.loads(eks["aws"].inputs["allowedAccountIds"]) == ["111122223333"]
    assert eks["aws"].inputs["region"] == "eu-central-1"
    providers = {each.provider for each in eks.resources if each.type.startswith("aws:")}
    assert len(providers) == 1
    assert "pulumi:providers:aws::aws::" in providers.pop()


def test_nodes_are_in_private_subnets_and_no_subnet_gives_public_addresses(
    eks: Deployment,
) -> None:
    for subnet in eks.of("Subnet"):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False
    groups = {each.name: each.inputs["subnetIds"] for each in eks.of("NodeGroup")}
    assert groups == {
        "nodes-system-group": ["net-private-a-id", "net-private-b-id"],
        "nodes-spot-group": ["net-private-b-id"],
    }
    blocks = [each.inputs["cidrBlock"] for each in eks.of("Subnet")]
    assert sorted(blocks) == ["10.0.0.0/19", "10.0.224.0/24", "10.0.225.0/24", "10.0.32.0/19"]


def test_the_cpu_nodes_may_keep_to_some_of_the_zones(deploy: Deploy) -> None:
    system = {"zones": ["eu-central-1b"]}

    found = deploy({"cluster": {**EKS, "systemPool": system}, "models": NIM}, secrets=KEY)

    assert found["nodes-system-group"].inputs["subnetIds"] == ["net-private-b-id"]


def test_a_gpu_pool_is_tainted_labelled_and_made_of_what_has_capacity(eks: Deployment) -> None:
    group = eks["nodes-spot-group"].inputs

    assert group["amiType"] == "AL2023_x86_64_NVIDIA"
    assert group["capacityType"] == "SPOT"
    assert group["instanceTypes"] == ["g6e.2xlarge", "g5.2xlarge"]
    assert group["taints"] == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
    ]
    assert group["labels"] == {"stackyard/pool": "spot", "stackyard/gpu": "true"}
    assert "taints" not in eks["nodes-system-group"].inputs
    tags = [each.inputs["tag"] for each in eks.of("Tag")]
    start = "k8s.io/cluster-autoscaler/node-template"
    assert {tag["key"]: tag["value"] for tag in tags} == {
        f"{start}/label/stackyard/gpu": "true",
        f"{start}/label/stackyard/pool": "spot",
        f"{start}/taint/nvidia.com/gpu": "present:NoSchedule",
    }


def test_a_pool_that_the_mig_manager_cuts_is_labelled_with_the_profile(deploy: Deploy) -> None:
    pool = {"name": "gpu", "instanceTypes": ["p5.4xlarge"]}
    operator = {"sharing": "mig", "migProfile": "all-1g.10gb"}
    settings = {"cluster": {**EKS, "gpuPools": [pool]}, "gpuOperator": operator, "models": NIM}

    found = deploy(settings, secrets=KEY)

    assert found["nodes-gpu-group"].inputs["labels"]["nvidia.com/mig.config"] == "all-1g.10gb"
    assert found["gpu-operator-release"].inputs["values"]["mig"] == {"strategy": "single"}
    assert "nvidia.com/mig.config" not in found["nodes-system-group"].inputs["labels"]


def test_gpu_nodes_keep_the_models_hours_and_cpu_nodes_stay(eks: Deployment) -> None:
    start, end = sorted(
        (each.inputs for each in eks.of("Schedule")),
        key=lambda each: str(each["scheduledActionName"]),
        reverse=True,
    )

    assert (start["recurrence"], end["recurrence"]) == ("0 7 * * mon", "45 18 * * mon")
    assert start["timeZone"] == end["timeZone"] == "Europe/Berlin"
    assert (start["minSize"], start["desiredCapacity"], start["maxSize"]) == (0, 1, 1)
    assert (end["minSize"], end["desiredCapacity"], end["maxSize"]) == (0, 0, 1)


@pytest.mark.parametrize("operator", ["none", "install"])
def test_a_roles_server_and_its_download_run_on_its_pool(deploy: Deploy, operator: str) -> None:
    small = {"name": "small", "instanceTypes": ["g6.2xlarge"]}
    models = {
        **NIM,
        "llm": {"pool": "spot"},
        **{role: {"pool": "small"} for role in ("embedding", "ranking")},
    }

    found = deploy(
        {
            "cluster": {**EKS, "gpuPools": [SPOT, small]},
            "models": models,
            "nimOperator": {"mode": operator},
        },
        secrets=KEY,
    )

    specs = (
        [*found.of("NIMCache"), *found.of("NIMService")]
        if operator == "install"
        else [found[f"{role}-{part}"] for role in PARTS for part in ("download", "deployment")]
    )
    assert len(specs) == 6
    for each in specs:
        spec = each.inputs["spec"]
        pod = spec if operator == "install" else spec["template"]["spec"]
        pool = "spot" if each.name.startswith("llm") else "small"
        assert pod["nodeSelector"] == {"stackyard/gpu": "true", "stackyard/pool": pool}
    pools = {each.inputs["labels"]["stackyard/pool"] for each in found.of("NodeGroup")}
    assert pools == {"system", "spot", "small"}


def test_every_node_asks_for_tokens_and_encrypts_its_disk(eks: Deployment) -> None:
    templates = eks.of("LaunchTemplate")

    assert len(templates) == 2
    for template in templates:
        options = template.inputs["metadataOptions"]
        assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)
        (disk,) = template.inputs["blockDeviceMappings"]
        assert (disk["ebs"]["encrypted"], disk["ebs"]["volumeType"]) == ("true", "gp3")
    (disk,) = eks["nodes-spot-template"].inputs["blockDeviceMappings"]
    assert (disk["ebs"]["throughput"], disk["ebs"]["iops"]) == (1000, 4000)


def test_bottlerocket_keeps_images_on_its_second_disk_and_its_own_device_plugin(
    private: Deployment,
) -> None:
    (disk,) = private["nodes-br-template"].inputs["blockDeviceMappings"]
    values = private["gpu-operator-release"].inputs["values"]

    assert disk["deviceName"] == "/dev/xvdb"
    assert private["nodes-br-group"].inputs["amiType"] == "BOTTLEROCKET_x86_64_NVIDIA"
    for part in ("driver", "toolkit", "devicePlugin", "migManager"):
        assert values[part] == {"enabled": False}


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (
            {"sharing": "mig", "migProfile": "all-1g.10gb"},
            {
                "device-partitioning-strategy": "mig",
                "mig": {"profile": {"a100.80gb": "1g.10gb", "h100.80gb": "1g.10gb"}},
            },
        ),
        (
            {"sharing": "timeSlicing", "slices": 3},
            {
                "device-sharing-strategy": "time-slicing",
                "time-slicing": {"replicas": 3, "rename-by-default": False},
            },
        ),
    ],
)
def test_bottlerocket_shares_a_gpu_by_the_settings_of_its_node(
    deploy: Deploy, operator: dict[str, Any], expected: dict[str, Any]
) -> None:
    pool = {**BOTTLEROCKET, "instanceTypes": ["p5.4xlarge", "p4de.24xlarge"]}
    settings = {"cluster": {**EKS, "gpuPools": [pool]}, "gpuOperator": operator, "models": NIM}

    found = deploy(settings, secrets=KEY)

    data = tomllib.loads(b64decode(found["nodes-br-template"].inputs["userData"]).decode())
    assert data["settings"]["kubelet-device-plugins"]["nvidia"] == expected
    values = found["gpu-operator-release"].inputs["values"]
    assert values["devicePlugin"] == values["migManager"] == {"enabled": False}
    assert "mig" not in values
    assert "userData" not in found["nodes-system-template"].inputs


def test_network_policies_hold_and_volumes_are_made_by_a_role_of_their_own(
    eks: Deployment,
) -> None:
    cni = eks["eks-base-vpc-cni"].inputs
    volumes = eks["eks-more-aws-ebs-csi-driver"].inputs

    assert json.loads(cni["configurationValues"]) == {"enableNetworkPolicy": "true"}
    assert volumes["podIdentityAssociations"] == [
        {"roleArn": "arn:aws:iam-volumes", "serviceAccount": "ebs-csi-controller-sa"}
    ]
    assert eks["storage"].inputs["parameters"]["encrypted"] == "true"


@pytest.mark.parametrize(("nat", "count"), [("one", 1), ("perZone", 2)])
def test_the_way_out_is_one_or_one_a_zone(deploy: Deploy, nat: str, count: int) -> None:
    found = deploy({"cluster": {**EKS, "nat": nat}, "models": NIM}, secrets=KEY)

    assert len(found.of("NatGateway")) == count
    ways = {
        each.name: each.inputs["natGatewayId"]
        for each in found.of("Route")
        if "natGatewayId" in each.inputs
    }
    assert ways.keys() == {"net-private-a-out", "net-private-b-out"}
    assert len(set(ways.values())) == count


def test_a_private_cluster_has_no_internet_and_reaches_aws_from_inside(
    private: Deployment,
) -> None:
    assert not private.of("InternetGateway") + private.of("NatGateway") + private.of("Route")
    assert private["eks-cluster"].inputs["vpcConfig"]["endpointPublicAccess"] is False
    assert "publicAccessCidrs" not in private["eks-cluster"].inputs["vpcConfig"]
    services = {
        each.inputs["serviceName"].removeprefix("com.amazonaws.eu-central-1."): each.inputs
        for each in private.of("VpcEndpoint")
    }
    assert services["s3"]["vpcEndpointType"] == "Gateway"
    assert {"ec2", "ecr.api", "ecr.dkr", "sts", "eks", "eks-auth", "logs"} <= services.keys()
    (rule,) = private["net-endpoints"].inputs["ingress"]
    assert (rule["fromPort"], rule["cidrBlocks"]) == (443, ["10.0.0.0/16"])


def test_the_api_server_of_a_private_cluster_is_reached_from_connected_networks(
    private: Deployment, eks: Deployment
) -> None:
    (rule,) = private["eks-api"].inputs["ingress"]

    assert (rule["fromPort"], rule["toPort"]) == (443, 443)
    assert rule["cidrBlocks"] == ["10.0.0.0/16", "172.20.0.0/16"]
    assert private["eks-cluster"].inputs["vpcConfig"]["securityGroupIds"] == ["eks-api-id"]
    assert "securityGroupIds" not in eks["eks-cluster"].inputs["vpcConfig"]


def test_a_bare_cluster_has_nothing_that_its_api_server_would_be_asked_for(
    deploy: Deploy, private: Deployment
) -> None:
    settings = {"cluster": {**EKS, "bare": True, "gpuPools": [SPOT]}, "models": NIM}

    found = deploy(settings, secrets=KEY)

    kinds = {each.type.partition(":")[0] for each in found.resources}
    assert kinds == {"aws", "pulumi", "stackyard"}
    assert found.exports.keys() == found.secret_exports == {"kubeconfig"}
    assert found["nodes-spot-group"]
    assert private.of("StorageClass")


def test_a_private_cluster_takes_every_image_from_the_accounts_registry(
    private: Deployment,
) -> None:
    host = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/stackyard-dev/"
    repositories = {each.inputs["name"] for each in private.of("Repository")}

    for name, pod in private.pods.items():
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["image"].startswith(host), name
            path = container["image"].removeprefix(host).partition("@")[0].partition(":")[0]
            assert f"stackyard-dev/{path}" in repositories
    assert "stackyard-dev/nvidia/gpu-operator" in repositories
    copied = {each.inputs["target"]: each.inputs["source"] for each in private.of("ImageCopy")}
    for container in (pod["containers"][0] for pod in private.pods.values()):
        built = "/stackyard-dev/stackyard/" in container["image"]
        assert built or copied[container["image"]].partition("/")[0] in ("nvcr.io", "qdrant")


def test_nothing_is_open_to_the_internet_but_the_api_server(eks: Deployment) -> None:
    assert not eks.of("SecurityGroup")
    (default,) = eks.of("DefaultSecurityGroup")
    assert default.inputs.keys().isdisjoint({"ingress", "egress"})
    services = {each.inputs["spec"].get("type", "ClusterIP") for each in eks.of("Service")}
    assert services == {"ClusterIP"}


def test_a_load_balancer_is_inside_of_the_network(deploy: Deploy) -> None:
    settings = {
        "cluster": EKS,
        "models": NIM,
        "app": {"expose": "LoadBalancer", "url": "https://rag.example.com"},
    }

    service = deploy(settings, secrets=KEY)["rag-service"].inputs

    assert service["metadata"]["annotations"] == {
        "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
        "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    }


def test_an_admin_gets_an_entry_and_nobody_else(eks: Deployment) -> None:
    (association,) = eks.of("AccessPolicyAssociation")

    assert association.inputs["principalArn"] == "arn:aws:iam::111122223333:role/admin"
    assert association.inputs["policyArn"].endswith(
        "cluster-access-policy/AmazonEKSClusterAdminPolicy"
    )
    assert association.inputs["accessScope"] == {"type": "cluster"}


def test_every_policy_is_one_of_the_list_with_what_it_allows(eks: Deployment) -> None:
    listed = {policy.name: policy.allows for spec in ROLES.values() for policy in spec.policies}
    attached = {
        each.inputs["policyArn"].partition(":policy/")[2] for each in eks.of("RolePolicyAttachment")
    }

    assert attached == listed.keys()
    assert all(len(allows) > 20 for allows in listed.values())
    assert not eks.of("Policy") + eks.of("RolePolicy")
    for role in eks.of("Role"):
        assert role.inputs.keys().isdisjoint({"inlinePolicies", "managedPolicyArns"})


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_taken_on_by_one_service_only_and_no_star_is_in_it(role: str) -> None:
    document = json.loads(trust(ROLES[role]))

    (statement,) = document["Statement"]
    assert statement["Principal"].keys() == {"Service"}
    assert statement["Principal"]["Service"].endswith(".amazonaws.com")
    assert set(statement["Action"]) <= {"sts:AssumeRole", "sts:TagSession"}
    assert "*" not in json.dumps(document)


def test_the_kubeconfig_asks_for_a_token_and_holds_none() -> None:
    config: dict[str, Any] = json.loads(kubeconfig("c", "https://c.example.com", "Q0E=", "eu-x-1"))

    (user,) = config["users"]
    assert user["user"].keys() == {"exec"}
    assert user["user"]["exec"]["command"] == "aws"
    assert user["user"]["exec"]["args"][:4] == ["eks", "get-token", "--cluster-name", "c"]


@pytest.mark.parametrize("stack", ["eks", "private"])
def test_aws_would_accept_every_request_by_its_own_service_models(
    stack: str, request: pytest.FixtureRequest
) -> None:
    found: Deployment = request.getfixturevalue(stack)

    refused = {
        each.name: refusals(each.type.removeprefix("aws:"), plain(each.inputs))
        for each in found.resources
        if each.type.startswith("aws:")
    }

    assert len(refused) > 25
    assert {name: why for name, why in refused.items() if why} == {}


@pytest.mark.parametrize(
    ("name", "changes", "refusal"),
    [
        (
            "eks-cluster",
            {"upgradePolicy": {"supportType": "CHEAP"}},
            "CreateCluster.upgradePolicy.supportType is 'CHEAP', not one of STANDARD, EXTENDED",
        ),
        (
            "nodes-spot-group",
            {"amiType": "AL2_x86_64_NVIDIA"},
            "CreateNodegroup.amiType is 'AL2_x86_64_NVIDIA', not one of ",
        ),
        (
            "nodes-spot-group",
            {"scalingConfig": {"minSize": 0, "maxSize": 0, "desiredSize": 0}},
            "CreateNodegroup.scalingConfig.maxSize is 0, less than 1",
        ),
        (
            "eks-base-vpc-cni",
            {"addonVersions": "v1"},
            "CreateAddon has no addonVersions",
        ),
        (
            "eks-logs",
            {"name": "with blank"},
            "PutRetentionPolicy.logGroupName is 'with blank', which does not match ",
        ),
    ],
)
def test_the_double_of_aws_refuses_what_the_service_models_refuse(
    eks: Deployment, name: str, changes: dict[str, Any], refusal: str
) -> None:
    resource = eks[name]

    found = refusals(resource.type.removeprefix("aws:"), plain({**resource.inputs, **changes}))

    assert len(found) == 1
    assert found[0].startswith(refusal)


def test_only_stacks_at_aws_import_its_packages() -> None:
    program = "import sys, infra.program; sys.exit('pulumi_aws' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_preview_loads_of_aws_what_it_makes_and_no_more() -> None:
    program = """
import sys
from infra.clusters.eks_packages import narrow
narrow()
import infra.clusters.eks
import pulumi_aws as aws
aws.ec2.Vpc, aws.ec2.SecurityGroupIngressArgs, aws.eks.outputs.NodeGroupResource
assert not hasattr(aws.ec2, "NotThere")
print(len([name for name in sys.modules if name.startswith("pulumi_aws.ec2.")]))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert 2 < int(done.stdout) < 30  # of 180


def test_a_stack_at_aws_without_its_packages_says_how_to_get_them(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pulumi_aws", None)
    for name in [name for name in sys.modules if name.startswith("infra.clusters.eks")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(pulumi.RunError) as caught:
        deploy({"cluster": EKS, "models": NIM}, secrets=KEY)

    assert str(caught.value) == (
        "cluster.kind is 'eks', and the packages for AWS are not installed\nhint: make eks-packages"
    )
