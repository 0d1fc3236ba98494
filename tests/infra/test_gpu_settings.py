"""Every refusal of the settings of GPU environments, read in full."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.settings import load_settings
from tests.infra.conftest import Deploy

POOL: dict[str, Any] = {"name": "gpu", "instanceTypes": ["g6e.2xlarge"]}
H100: dict[str, Any] = {"name": "h100", "instanceTypes": ["p5.4xlarge"]}
EKS: dict[str, Any] = {
    "kind": "eks",
    "account": "111122223333",
    "region": "eu-central-1",
    "zones": ["eu-central-1a", "eu-central-1b"],
    "endpointCidrs": ["198.51.100.7/32"],
    "gpuPools": [POOL],
}
# of the kubeconfig only the path is looked at, so any file will do
ONPREM: dict[str, Any] = {"kind": "existing", "context": "c", "kubeconfig": __file__}
REGISTRY = {"host": "r.example.com"}
NIM = {"kind": "nim"}
THREE = [f"eu-central-1{each}" for each in "abc"]
KEY = {"ngcApiKey": "nvapi-ngc"}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text("{}")
    return str(path)


def refusal(
    deploy: Deploy, settings: dict[str, Any], secrets: dict[str, str] | None = None
) -> list[str]:
    """Return the listed problems, each with its hint."""
    with pytest.raises(pulumi.RunError) as caught:
        deploy(settings, secrets=secrets, only=lambda: load_settings("dev"))
    lines = str(caught.value).splitlines()[1:-1]
    problems: list[str] = []
    for line in lines:
        if line.startswith("      "):
            problems[-1] += "\n" + line.strip()
        else:
            problems.append(line.strip())
    return problems


def accepted(deploy: Deploy, settings: dict[str, Any], secrets: dict[str, str]) -> None:
    deploy(settings, secrets=secrets, only=lambda: load_settings("dev"))


def test_an_eks_stack_says_account_region_zones_addresses_and_pools(deploy: Deploy) -> None:
    settings = {"cluster": {"kind": "eks"}, "models": NIM}

    assert [each.split(":")[1] for each in refusal(deploy, settings, KEY)] == [
        "cluster.account",
        "cluster.region",
        "cluster.endpointCidrs",
        "cluster.gpuPools",
    ]
    accepted(deploy, {"cluster": EKS, "models": NIM}, KEY)


@pytest.mark.parametrize(
    ("cluster", "problem"),
    [
        (
            {"zones": ["eu-central-1a"]},
            'stackyard:cluster.zones: is ["eu-central-1a"]; EKS needs two or three zones of '
            "eu-central-1\nhint: pulumi config set --path 'stackyard:cluster.zones[0]' "
            "eu-central-1a",
        ),
        (
            {"zones": ["eu-central-1a", "eu-west-1a"]},
            "stackyard:cluster.zones: has 'eu-west-1a'; it is no zone of cluster.region "
            "'eu-central-1'\nhint: pulumi config set --path 'stackyard:cluster.zones[0]' "
            "eu-central-1a",
        ),
        (
            {"endpointCidrs": ["0.0.0.0/0"]},
            "stackyard:cluster.endpointCidrs: has '0.0.0.0/0'; that opens the API server to the "
            "internet\nhint: pulumi config set --path 'stackyard:cluster.endpointCidrs[0]' "
            "YOUR.PUBLIC.ADDRESS.HERE/32",
        ),
        (
            {"endpointCidrs": ["10.0.0.7/24"]},
            "stackyard:cluster.endpointCidrs: has '10.0.0.7/24'; 10.0.0.7/24 has host bits set",
        ),
        (
            {"gpuPools": [{**POOL, "desired": 3}]},
            "stackyard:cluster.gpuPools[0].desired: is 3; it must be from min 0 to max 1\n"
            "hint: pulumi config set --path 'stackyard:cluster.gpuPools[0].desired' 0",
        ),
        (
            {"gpuPools": [{**POOL, "zones": ["eu-central-1c"]}]},
            "stackyard:cluster.gpuPools[0].zones: has 'eu-central-1c'; it may have eu-central-1a, "
            "eu-central-1b\nhint: pulumi config set --path "
            "'stackyard:cluster.gpuPools[0].zones[0]' ZONE",
        ),
        (
            {"zones": THREE},
            "stackyard:cluster.systemPool.min: is 2; the volumes of Qdrant and of the app (EBS) "
            "are in one zone each, and a node is sure to be there only with one in each of the "
            "3, or in a pool of fewer zones\n"
            "hint: pulumi config set --path 'stackyard:cluster.systemPool.min' 3\n"
            "hint: pulumi config set --path 'stackyard:cluster.systemPool.desired' 3",
        ),
        (
            {"systemPool": {"zones": ["eu-central-1c"]}},
            "stackyard:cluster.systemPool.zones: has 'eu-central-1c'; it may have eu-central-1a, "
            "eu-central-1b\nhint: pulumi config set --path "
            "'stackyard:cluster.systemPool.zones[0]' ZONE",
        ),
        (
            {"gpuPools": [POOL, POOL]},
            "stackyard:cluster.gpuPools: has 'gpu' twice or as a GPU pool; each pool needs a name "
            "of its own, and 'system' is the CPU pool's",
        ),
        (
            {"gpuPools": [POOL, {**POOL, "name": "b", "ami": "bottlerocket"}]},
            "stackyard:cluster.gpuPools: has pools of al2023 and of bottlerocket; one GPU "
            "operator cannot serve both, because Bottlerocket brings its own device plugin\n"
            "hint: pulumi config set --path 'stackyard:cluster.gpuPools[0].ami' al2023",
        ),
        (
            {"context": "other"},
            "stackyard:cluster.context: is 'other'; it is only for cluster.kind 'existing'\n"
            "hint: pulumi config rm --path 'stackyard:cluster.context'",
        ),
        (
            {"gpuPools": [{"name": "gpu", "instanceTypes": ["g6e"]}]},
            "stackyard:cluster.gpuPools.0.instanceTypes.0: is 'g6e'; string should match pattern "
            "'^[a-z][a-z0-9-]*\\.[a-z0-9-]+$'",
        ),
        (
            {"gpuPools": [{**POOL, "disk": 10}]},
            "stackyard:cluster.gpuPools.0.disk: is not a setting; the nearest is "
            "stackyard:cluster.gpuPools.0.diskGb",
        ),
    ],
)
def test_a_wrong_eks_setting_is_explained(
    deploy: Deploy, cluster: dict[str, Any], problem: str
) -> None:
    assert refusal(deploy, {"cluster": {**EKS, **cluster}, "models": NIM}, KEY) == [problem]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"gpuOperator": {"driver": True}},
            "stackyard:gpuOperator.driver: is true; the nodes' image brings the driver, and a "
            "second one breaks them\n"
            "hint: pulumi config set --path 'stackyard:gpuOperator.driver' false",
        ),
        (
            {"gpuOperator": {"mode": "adopt"}},
            "stackyard:gpuOperator.mode: is 'adopt'; a new EKS cluster has none\n"
            "hint: pulumi config set --path 'stackyard:gpuOperator.mode' install",
        ),
        (
            {"gpuOperator": {"sharing": "timeSlicing"}},
            "stackyard:gpuOperator.slices: is not set; with gpuOperator.sharing 'timeSlicing' it "
            "is how many pods share a GPU\n"
            "hint: pulumi config set --path 'stackyard:gpuOperator.slices' 2",
        ),
        (
            {"gpuOperator": {"sharing": "mig", "migProfile": "all-1g.10gb"}},
            "stackyard:cluster.gpuPools[0].instanceTypes: has 'g6e.2xlarge'; with "
            "gpuOperator.sharing 'mig' only A100, H100 and H200 can be cut\n"
            "hint: pulumi config set --path 'stackyard:cluster.gpuPools[0].instanceTypes[0]' "
            "p5.4xlarge",
        ),
        (
            {
                "cluster": {**EKS, "gpuPools": [{**H100, "ami": "bottlerocket"}]},
                "gpuOperator": {"sharing": "mig", "migProfile": "custom"},
            },
            "stackyard:gpuOperator.migProfile: is 'custom'; Bottlerocket cuts every GPU of a node "
            "alike\nhint: pulumi config set --path 'stackyard:gpuOperator.migProfile' all-1g.10gb",
        ),
        (
            {"gpuOperator": {"slices": 4}},
            "stackyard:gpuOperator.slices: is 4; it is only for gpuOperator.sharing "
            "'timeSlicing'\nhint: pulumi config rm --path 'stackyard:gpuOperator.slices'",
        ),
        (
            {"gpuOperator": {"mode": "none", "version": "v26.3.3"}},
            "stackyard:gpuOperator.version: is 'v26.3.3'; it is only for gpuOperator.mode "
            "'install'\nhint: pulumi config rm --path 'stackyard:gpuOperator.version'",
        ),
        (
            {"models": {**NIM, "llm": {"image": "nvcr.io/nim/x:1"}}},
            "stackyard:models.llm.model: is not set; with models.llm.image 'nvcr.io/nim/x:1' it "
            "names the model that this image serves\n"
            "hint: pulumi config set --path 'stackyard:models.llm.model' NAME",
        ),
        (
            {"models": {**NIM, "ranking": {"maxModelLength": 4096}}},
            "stackyard:models.ranking.maxModelLength: is 4096; it is only for models.llm\n"
            "hint: pulumi config rm --path 'stackyard:models.ranking.maxModelLength'",
        ),
        (
            {"models": {**NIM, "llm": {"url": "http://x/v1"}}},
            "stackyard:models.llm.url: is 'http://x/v1'; it is only for models.llm.kind 'hosted'\n"
            "hint: pulumi config rm --path 'stackyard:models.llm.url'",
        ),
    ],
)
def test_a_wrong_gpu_setting_is_explained(
    deploy: Deploy, changes: dict[str, Any], problem: str
) -> None:
    assert refusal(deploy, {"cluster": EKS, "models": NIM, **changes}, KEY) == [problem]


def test_a_role_says_which_of_unequal_pools_is_its_own(deploy: Deploy) -> None:
    small = {"name": "small", "instanceTypes": ["g6.2xlarge"]}
    cluster = {**EKS, "gpuPools": [POOL, small]}
    named = {role: {"pool": "small"} for role in ("embedding", "ranking")}

    problems = refusal(deploy, {"cluster": cluster, "models": NIM}, KEY)
    one = refusal(deploy, {"cluster": cluster, "models": {**NIM, **named}}, KEY)

    assert len(problems) == 3
    assert (
        one
        == [problems[0]]
        == [
            "stackyard:models.llm.pool: is not set; cluster.gpuPools have different instance "
            "types, and the scheduler counts GPUs, not their memory: it would put a model on any "
            "of gpu, small\nhint: pulumi config set --path 'stackyard:models.llm.pool' gpu"
        ]
    )
    accepted(deploy, {"cluster": cluster, "models": {**NIM, **named, "llm": {"pool": "gpu"}}}, KEY)
    alike = {**small, "instanceTypes": POOL["instanceTypes"]}
    accepted(deploy, {"cluster": {**EKS, "gpuPools": [POOL, alike]}, "models": NIM}, KEY)


@pytest.mark.parametrize("pool", [{"min": 3, "desired": 3}, {"zones": THREE[1:]}])
def test_three_zones_need_three_cpu_nodes_or_cpu_nodes_in_two(
    deploy: Deploy, pool: dict[str, Any]
) -> None:
    accepted(deploy, {"cluster": {**EKS, "zones": THREE, "systemPool": pool}, "models": NIM}, KEY)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"cluster": EKS, "models": {**NIM, "llm": {"pool": "large"}}},
            "stackyard:models.llm.pool: is 'large'; it may be gpu\n"
            "hint: pulumi config set --path 'stackyard:models.llm.pool' gpu",
        ),
        (
            {"cluster": EKS, "models": {**NIM, "llm": {"nodeSelector": {"card": "large"}}}},
            'stackyard:models.llm.nodeSelector: is {"card": "large"}; it is only for cluster.kind '
            "'existing'\nhint: pulumi config rm --path 'stackyard:models.llm.nodeSelector'",
        ),
        (
            {"cluster": ONPREM, "registry": REGISTRY, "models": {**NIM, "llm": {"pool": "gpu"}}},
            "stackyard:models.llm.pool: is 'gpu'; it is only for cluster.kind 'eks'\n"
            "hint: pulumi config rm --path 'stackyard:models.llm.pool'",
        ),
    ],
    ids=["unknown", "labels-at-aws", "pool-of-another"],
)
def test_a_place_that_a_role_cannot_have_is_refused(
    deploy: Deploy, settings: dict[str, Any], problem: str
) -> None:
    assert refusal(deploy, settings, KEY) == [problem]


def test_a_private_cluster_has_everything_inside_already(deploy: Deploy) -> None:
    cluster = {k: v for k, v in EKS.items() if k != "endpointCidrs"} | {"endpoint": "private"}
    models = {"llm": {"kind": "hosted"}, "embedding": NIM, "ranking": {**NIM, "preloaded": True}}

    problems = refusal(
        deploy, {"cluster": cluster, "models": models}, {**KEY, "nvidiaApiKey": "nvapi"}
    )

    assert [each.splitlines()[0] for each in problems] == [
        "stackyard:cluster.endpointCidrs: is not set; with cluster.endpoint 'private' it is who "
        "may reach the API server, in the network or one that you connect (docs/guides/eks.md)",
        "stackyard:registry.mirrored: is false; with cluster.endpoint 'private' nodes reach no "
        "public registry",
        "stackyard:models.llm.kind: is 'hosted' by NVIDIA; with cluster.endpoint 'private' it is "
        "not reached",
        "stackyard:models.embedding.preloaded: is false; with cluster.endpoint 'private' nothing "
        "can be downloaded",
        "stackyard:gpuOperator.chart: is not set; with cluster.endpoint 'private' `up` runs inside "
        "of the network, where NVIDIA's chart repository is not reached",
    ]


def test_model_files_in_the_accounts_own_registry_are_refused_with_what_to_do(
    deploy: Deploy,
) -> None:
    artefact = f"models/llm@sha256:{'0' * 64}"
    models = {**NIM, "llm": {"artefact": artefact}}
    why = (
        "a pod would pull its files from the account's registry (ECR), where pods have no login; "
        "fill the volume yourself, or name a registry.host that has them"
    )

    open_ = refusal(deploy, {"cluster": EKS, "models": models}, KEY)
    sealed = refusal(deploy, {"cluster": EKS, "models": NIM, "airgapped": True})

    assert open_ == [
        f"stackyard:models.llm.artefact: is '{artefact}'; {why}\n"
        "hint: pulumi config rm --path 'stackyard:models.llm.artefact'"
    ]
    for role in ("llm", "embedding", "ranking"):
        assert (
            f"stackyard:models.{role}.preloaded: is false; with airgapped 'true' {why}\n"
            f"hint: pulumi config set --path 'stackyard:models.{role}.preloaded' true"
        ) in sealed
    accepted(deploy, {"cluster": EKS, "registry": {"host": "r.example.com"}, "models": models}, KEY)


def test_a_download_needs_a_key_and_a_preloaded_cache_none(deploy: Deploy) -> None:
    preloaded = {role: {"preloaded": True} for role in ("llm", "embedding", "ranking")}

    missing = refusal(deploy, {"cluster": EKS, "models": NIM})

    assert missing == [
        f"stackyard:ngcApiKey: is not set; models.{role} downloads its model from NVIDIA and needs "
        "a key (from https://ngc.nvidia.com)\n"
        "hint: pulumi config set --secret stackyard:ngcApiKey"
        for role in ("llm", "embedding", "ranking")
    ]
    accepted(deploy, {"cluster": EKS, "models": {**NIM, **preloaded}}, {})


def test_a_local_cluster_runs_no_nim_and_no_operator(deploy: Deploy) -> None:
    problems = refusal(deploy, {"models": {"llm": NIM}, "gpuOperator": {"mode": "install"}}, KEY)

    assert problems == [
        "stackyard:gpuOperator.mode: is 'install'; it is only for cluster.kind 'existing' or "
        "'eks'\nhint: pulumi config rm --path 'stackyard:gpuOperator.mode'",
        "stackyard:models.llm.kind: is 'nim'; a local cluster has no GPU\n"
        "hint: pulumi config set --path 'stackyard:cluster.kind' existing",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"gpu": {"runtime": "openshift"}},
        {"context": "default/api-ocp-example-com:6443/kube:admin"},
    ],
    ids=["by-setting", "by-context"],
)
def test_openshift_is_refused_with_the_reason(
    deploy: Deploy, kubeconfig: str, changes: dict[str, Any]
) -> None:
    cluster = {"kind": "existing", "context": "c", "kubeconfig": kubeconfig, **changes}

    (problem,) = refusal(deploy, {"cluster": cluster, "registry": {"host": "r.example.com"}})

    assert "OpenShift is not supported: its security context constraints" in problem


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        ({"gpu": {"preinstalled": "operator"}}, "one is there, and two of them fight"),
        ({"scope": "namespace"}, "cluster.scope 'namespace' may not make what it needs"),
    ],
    ids=["operator-there", "namespace-only"],
)
def test_an_operator_is_not_installed_where_it_must_not_be(
    deploy: Deploy, kubeconfig: str, cluster: dict[str, Any], reason: str
) -> None:
    given = {"kind": "existing", "context": "c", "kubeconfig": kubeconfig, **cluster}
    settings = {
        "cluster": given,
        "registry": {"host": "r.example.com"},
        "models": NIM,
        "gpuOperator": {"mode": "install"},
    }

    (problem,) = refusal(deploy, settings, KEY)

    assert reason in problem
    assert problem.endswith("'stackyard:gpuOperator.mode' adopt")
