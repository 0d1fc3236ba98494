"""Every refusal of the settings, read in full."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.schema import Settings
from infra.settings import load_settings
from tests.infra.conftest import Deploy

HOSTED = {"models": {"kind": "hosted"}}
EXISTING = {"cluster": {"kind": "existing", "context": "c", "kubeconfig": "/dev/null"}}


def refusal(
    deploy: Deploy,
    settings: dict[str, Any],
    secrets: dict[str, str] | None = None,
    stack: str = "dev",
) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        deploy(settings, secrets=secrets, stack=stack)
    return str(caught.value)


def report(count: int, *problems: str, stack: str = "dev") -> str:
    listed = "\n".join(f"  {problem}" for problem in problems)
    return (
        f"{count} problem(s) in the settings of stack {stack}\n{listed}\n"
        f"hint: correct Pulumi.{stack}.yaml; docs/reference/settings.md lists every setting"
    )


def test_an_empty_stack_file_is_enough(deploy: Deploy) -> None:
    found: list[Settings] = []

    deploy({}, only=lambda: found.append(load_settings("dev")))

    assert found == [Settings()]


def test_all_problems_come_in_one_message(deploy: Deploy) -> None:
    settings = {
        "cluster": {"kind": "lokal", "prot": 8080, "port": "8080"},
        "clustr": {},
        "app": {"replicas": 30, "storage": "10GB"},
    }

    assert refusal(deploy, settings) == report(
        6,
        "stackyard:clustr: is not a setting; the nearest is stackyard:cluster",
        "stackyard:cluster.kind: is 'lokal'; it may be 'local', 'existing' or 'eks'",
        "stackyard:cluster.port: is '8080'; input should be a valid integer",
        "stackyard:cluster.prot: is not a setting; the nearest is stackyard:cluster.port",
        "stackyard:app.replicas: is 30; input should be less than or equal to 16",
        "stackyard:app.storage: is '10GB'; string should match pattern '^[1-9][0-9]*(Mi|Gi|Ti)$'",
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"cluster": "local"},
            "stackyard:cluster: is 'local'; it must be an object with some of: "
            "kind, port, kubeconfig, context, storageClass, scope, gpu, account, region, zones, "
            "vpcCidr, nat, endpoint, endpointCidrs, bare, version, admins, systemPool, gpuPools, "
            "addedStorageClasses",
        ),
        (
            {"nvidiaapikey": "x"},
            "stackyard:nvidiaapikey: is not a setting; the nearest is stackyard:nvidiaApiKey",
        ),
        (
            {"app": {"max_upload_mb": 5}},
            "stackyard:app.max_upload_mb: is not a setting; "
            "the nearest is stackyard:app.maxUploadMb",
        ),
        (
            {"models": {"llm": {"kidn": "hosted"}}},
            "stackyard:models.llm.kidn: is not a setting; the nearest is stackyard:models.llm.kind",
        ),
        (
            {"qdrant": {"zzzz": 1}},
            "stackyard:qdrant.zzzz: is not a setting; there are: copies, nodes, shards, storage",
        ),
        (
            {"cluster": {"port": 80}},
            "stackyard:cluster.port: is 80; input should be greater than or equal to 1024",
        ),
        (
            {"cluster": {"context": "other"}},
            "stackyard:cluster.context: is 'other'; it is only for cluster.kind 'existing'\n"
            "      hint: pulumi config rm --path 'stackyard:cluster.context'",
        ),
        (
            {"app": {"expose": "LoadBalancer"}},
            "stackyard:app.expose: is 'LoadBalancer'; a local cluster is reached by 'NodePort'\n"
            "      hint: pulumi config rm --path 'stackyard:app.expose'",
        ),
        (
            {"app": {"nodePort": 30081}},
            "stackyard:app.nodePort: is 30081; it is only for cluster.kind 'existing' or 'eks'\n"
            "      hint: pulumi config rm --path 'stackyard:app.nodePort'",
        ),
        (
            {"registry": {"host": "r.example.com"}},
            "stackyard:registry.host: is 'r.example.com'; a local cluster has a registry of its "
            "own\n      hint: pulumi config rm --path 'stackyard:registry.host'",
        ),
        (
            {"registry": {"mirrored": True}},
            "stackyard:registry.mirrored: is true; it is only for registry.host\n"
            "      hint: pulumi config rm --path 'stackyard:registry.mirrored'",
        ),
        (
            EXISTING,
            "stackyard:cluster.kubeconfig: is '/dev/null', which is not a file\n"
            "      hint: pulumi config set --path 'stackyard:cluster.kubeconfig' PATH",
        ),
        (
            {"models": {"llm": {"model": "m"}}},
            "stackyard:models.llm.model: is 'm'; it is only for models.llm.kind 'hosted' or 'nim'\n"
            "      hint: pulumi config rm --path 'stackyard:models.llm.model'",
        ),
        (
            {"models": {"llm": {"kind": "hosted", "url": "http://x/v1"}}},
            "stackyard:models.llm.model: is not set; with a models.llm.url of your own it names "
            "the model there\n      hint: pulumi config set --path 'stackyard:models.llm.model' "
            "NAME",
        ),
        (
            {"models": {"llm": {"kind": "hosted", "url": "http://x/api", "model": "m"}}},
            "stackyard:models.llm.url: is 'http://x/api'; it must end in /v1\n"
            "      hint: pulumi config set --path 'stackyard:models.llm.url' http://x/api/v1",
        ),
        (
            {"models": {"embedding": {"kind": "hosted", "url": "http://x/v1", "model": "m"}}},
            "stackyard:models.embedding.dimension: is not set; with models.embedding.model 'm' it "
            "is the length of its vectors\n      hint: pulumi config set --path "
            "'stackyard:models.embedding.dimension' 1024",
        ),
        (
            {"models": {"llm": {"kind": "hosted"}}},
            "stackyard:nvidiaApiKey: is not set; models.llm is hosted by NVIDIA and needs a key "
            "(from https://build.nvidia.com)\n"
            "      hint: pulumi config set --secret stackyard:nvidiaApiKey",
        ),
        (
            {"nvidiaApiKey": "nvapi-in-plain"},
            "stackyard:nvidiaApiKey: is not encrypted; whoever reads the stack's file has it\n"
            "      hint: pulumi config set --secret stackyard:nvidiaApiKey",
        ),
    ],
)
def test_a_wrong_setting_is_explained(
    deploy: Deploy, settings: dict[str, Any], problem: str
) -> None:
    message = refusal(deploy, settings)

    expected = 2 if settings is EXISTING else 1
    assert message.startswith(f"{expected} problem(s)")
    assert f"  {problem}\n" in message


def test_an_existing_cluster_needs_its_context_and_a_registry(
    deploy: Deploy, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    settings = {"cluster": {"kind": "existing", "kubeconfig": str(kubeconfig), "port": 8080}}

    assert refusal(deploy, settings) == report(
        3,
        "stackyard:cluster.context: is not set; with cluster.kind 'existing' it names the "
        "kubeconfig's context\n"
        "      hint: pulumi config set --path 'stackyard:cluster.context' NAME",
        "stackyard:cluster.port: is 8080; it is only for cluster.kind 'local'\n"
        "      hint: pulumi config rm --path 'stackyard:cluster.port'",
        "stackyard:registry.host: is not set; with cluster.kind 'existing' it is where images are "
        "pushed to and pulled from\n      hint: pulumi config set --path 'stackyard:registry.host' "
        "HOST",
    )


def test_a_plain_secret_never_appears_in_the_message(deploy: Deploy) -> None:
    assert "nvapi-in-plain" not in refusal(deploy, {"nvidiaApiKey": "nvapi-in-plain"})


def test_the_seeds_key_is_enough_for_the_embedding_role(deploy: Deploy) -> None:
    message = refusal(deploy, HOSTED, {"NVIDIA_EMBEDDINGS_KEY": "k"})

    assert message.startswith("2 problem(s)")
    assert "models.embedding" not in message


@pytest.mark.parametrize("stack", ["Dev", "a" * 31, "dev_1", "-dev"])
def test_a_stack_name_must_fit_into_kubernetes_names(deploy: Deploy, stack: str) -> None:
    assert refusal(deploy, {}, stack=stack) == report(
        1,
        f"the stack's name is '{stack}'; it may have at most 30 of a-z, 0-9 and inner hyphens\n"
        "      hint: pulumi stack rename NAME",
        stack=stack,
    )


def test_empty_secrets_count_as_unset(deploy: Deploy) -> None:
    assert deploy({"nvidiaApiKey": "", "appApiKeys": ""}).exports["apiKey"] == "generated-value"
