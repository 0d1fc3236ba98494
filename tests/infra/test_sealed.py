"""A sealed stack: what its preview refuses, and what it deploys where nothing is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.reach import NODE_DNS
from infra.registry import parse
from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment
from tests.infra.sealed import CERTIFICATE, HOST, PASSWORD, digest, sealed, write_files
from tests.infra.test_gpu_settings import refusal

AWS = "https://s3.eu-west-1.amazonaws.com"
NIM = {role: {"profile": "p1"} for role in ("llm", "embedding", "ranking")}


def models(role: str, **given: Any) -> dict[str, Any]:
    """Return the models of a sealed stack with one role changed."""
    return {"kind": "nim", **NIM, role: {**NIM[role], **given}}


def hosted(url: str | None) -> dict[str, Any]:
    given = {"url": url, "model": "m"} if url else {}
    return {"kind": "nim", **NIM, "llm": {"kind": "hosted", **given}}


def problems(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("stackyard:")]


def pods(found: Deployment) -> dict[str, dict[str, Any]]:
    return {
        each.name: each.inputs["spec"]["template"]["spec"]
        for each in found.resources
        if each.inputs.get("spec", {}).get("template")
    }


@pytest.mark.parametrize(
    ("changed", "secrets", "problem"),
    [
        ({"models": hosted("https://api.openai.com/v1")}, {}, "models.llm.url: names 'https://api"),
        ({"models": hosted(None)}, {"nvidiaApiKey": "k"}, "models.llm.url: is not set"),
        ({}, {"ngcApiKey": "nvapi-x"}, "ngcApiKey: is set; sealed off"),
        ({}, {"nvidiaApiKey": "nvapi-x"}, "nvidiaApiKey: is set; sealed off"),
        ({}, {"NVIDIA_EMBEDDINGS_KEY": "k"}, "NVIDIA_EMBEDDINGS_KEY: is set; sealed off"),
        (
            {"models": models("llm", environment={"HF_TOKEN": "t"})},
            {},
            "models.llm.environment.HF_TOKEN: is a key of a service outside",
        ),
        (
            {"models": models("llm", environment={"DO_NOT_TRACK": "0"})},
            {},
            "models.llm.environment.DO_NOT_TRACK: is '0'; sealed off it is '1'",
        ),
        (
            {"models": models("ranking", environment={"NIM_TELEMETRY_MODE": "1"})},
            {},
            "models.ranking.environment.NIM_TELEMETRY_MODE: is '1'; sealed off it is '0'",
        ),
        (
            {"models": models("llm", environment={"X_TELEMETRY_URL": "on"})},
            {},
            "models.llm.environment.X_TELEMETRY_URL: is 'on', which turns telemetry on",
        ),
        (
            {"models": models("llm", environment={"HF_ENDPOINT": "https://huggingface.co"})},
            {},
            "models.llm.environment.HF_ENDPOINT: names 'https://huggingface.co'",
        ),
        (
            {"models": models("llm", artefact="models/llm:1")},
            {},
            "models.llm.artefact: is 'models/llm:1'; it needs a digest",
        ),
        (
            {"models": {"kind": "nim", **NIM, "llm": {}}},
            {},
            "models.llm.profile: is not set; unpinned",
        ),
        (
            {"models": models("llm", profile="p2")},
            {},
            "models.llm.profile: is 'p2', and the files in registry.lock are of 'p1'",
        ),
        (
            {"network": {"proxy": {"https": "http://proxy.isp.com:3128"}, "allowed": ["10.0.0.1"]}},
            {},
            "network.proxy.https: names 'http://proxy.isp.com:3128'",
        ),
        (
            {"gpuOperator": {"chart": "oci://ghcr.io/nvidia/gpu-operator"}},
            {},
            "gpuOperator.chart: names 'oci://ghcr.io/nvidia/gpu-operator'",
        ),
        (
            {"gpuOperator": {"driver": True}},
            {},
            "gpuOperator.driverPackages: is not set; the driver's container installs",
        ),
        (
            {"models": models("llm", scaling={"max": 2}, cacheAccess="ReadWriteMany")},
            {},
            "keda.chart: is not set, so the chart comes from KEDA's site, outside",
        ),
        (
            {"models": models("llm", scaling={"max": 2}, cacheAccess="ReadWriteMany")},
            {},
            "keda keda: 'ghcr.io/kedacore/keda:2.20.2' has no digest",
        ),
        ({"network": {}}, {}, "network.allowed: has no range of addresses"),
        (
            {"models": models("llm", profile="p1") | {"ocr": {"url": "https://ocr.example/v1"}}},
            {},
            "models.ocr.url: names 'https://ocr.example/v1'",
        ),
        (
            {"backup": {"schedule": "0 3 * * *", "s3": {"bucket": "b-1", "region": "eu-west-1"}}},
            {"backupKeys": "k"},
            "backup.s3.endpoint: is not set, so the bucket is AWS's, outside",
        ),
        (
            {"backup": {"schedule": "0 3 * * *", "s3": {"bucket": "b-1", "endpoint": AWS}}},
            {"backupKeys": "k"},
            "backup.s3.endpoint: names 'https://s3.eu-west-1.amazonaws.com'",
        ),
    ],
)
def test_a_preview_refuses_what_would_leave(
    deploy: Deploy, tmp_path: Path, changed: Any, secrets: dict[str, str], problem: str
) -> None:
    found = refusal(deploy, sealed(tmp_path, **changed), {**PASSWORD, **secrets})

    assert any(each.startswith(f"stackyard:{problem}") for each in found), found


def test_everything_is_refused_at_once(deploy: Deploy, tmp_path: Path) -> None:
    settings = sealed(tmp_path, models=hosted("https://api.openai.com/v1"))
    del settings["registry"]["lock"]
    settings["registry"]["mirrored"] = False

    found = refusal(deploy, settings, {**PASSWORD, "ngcApiKey": "k"})

    for part in (
        "models.llm.url: names",
        "registry.mirrored: is false",
        "ngcApiKey: is set",
        "qdrant: 'qdrant/qdrant:v1.19.0-unprivileged' has no digest",
        "registry.lock: has no image 'stackyard/app'",
        "registry.lock: has no files for models.embedding",
    ):
        assert any(part in each for each in found), (part, found)


@pytest.mark.parametrize(
    ("lacking", "problem"),
    [
        ("qdrant", "qdrant: 'qdrant/qdrant"),
        ("nim-llm", "models.llm.image: 'nvcr.io/nim/meta"),
        ("gpu-operator-gfd", ""),  # the device plugin's image has the same reference
        ("gpu-operator-validator", ""),
        ("gpu-operator-dcgmExporter", "gpuOperator dcgmExporter: 'nvcr.io"),
        ("app", "registry.lock: has no image 'stackyard/app'"),
        ("importer", "registry.lock: has no image 'stackyard/importer'"),
        ("llm", "registry.lock: has no files for models.llm"),
    ],
)
def test_a_reference_without_a_digest_is_refused(
    deploy: Deploy, tmp_path: Path, lacking: str, problem: str
) -> None:
    settings = sealed(tmp_path)
    write_files(tmp_path, lacking)

    if not problem:
        deploy(settings, secrets=PASSWORD)
        return
    (found,) = problems(refusal(deploy, settings, PASSWORD))
    assert found.startswith(f"stackyard:{problem}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "which cannot be read: No such file"),
        ("hello", "which has no certificate in PEM form"),
        (CERTIFICATE + "-----BEGIN PRIVATE KEY-----", "which has a private key"),
        (CERTIFICATE * 20_000, "pods get at most"),
    ],
)
def test_a_file_of_authorities_that_cannot_be_one_is_refused(
    deploy: Deploy, tmp_path: Path, text: str | None, why: str
) -> None:
    settings = sealed(tmp_path)
    path = Path(settings["registry"]["ca"])
    path.unlink() if text is None else path.write_text(text)

    (found,) = problems(refusal(deploy, settings, PASSWORD))

    assert found.startswith("stackyard:registry.ca: is ")
    assert why in found


def test_a_lock_that_is_none_is_refused(deploy: Deploy, tmp_path: Path) -> None:
    settings = sealed(tmp_path)
    Path(settings["registry"]["lock"]).write_text("[]")

    found = refusal(deploy, settings, PASSWORD)

    assert any(
        "registry.lock: is " in each and "not the lock of a bundle" in each for each in found
    )


def test_every_image_is_in_the_registry_by_digest_with_a_login(
    deploy: Deploy, tmp_path: Path
) -> None:
    found = deploy(sealed(tmp_path), secrets=PASSWORD)

    for name, pod in pods(found).items():
        assert pod["imagePullSecrets"], name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            reference = parse(container["image"])
            assert reference.host == HOST, name
            assert reference.path.startswith("rag/"), name
            assert reference.digest, name
    assert not found.of("Image") + found.of("ImageCopy")
    secrets = [each for each in found.of("Secret") if each.inputs.get("type")]
    assert {each.inputs["metadata"]["namespace"] for each in secrets} == {
        "rag-dev",
        "models-dev",
        "gpu-operator",
    }


def test_another_registry_changes_the_host_of_each_image_and_no_digest(
    deploy: Deploy, tmp_path: Path
) -> None:
    def images(settings: dict[str, Any]) -> dict[str, str]:
        made = pods(deploy(settings, secrets=PASSWORD))
        return {name: pod["containers"][0]["image"] for name, pod in made.items()}

    settings = sealed(tmp_path)
    before = images(settings)
    settings["registry"] = {**settings["registry"], "host": "new.corp.example", "prefix": "team/x"}
    after = images(settings)

    assert after == {
        name: image.replace(f"{HOST}/rag/", "new.corp.example/team/x/")
        for name, image in before.items()
    }


def test_the_operator_comes_from_the_registry_by_digest(deploy: Deploy, tmp_path: Path) -> None:
    found = deploy(sealed(tmp_path), secrets=PASSWORD)
    release = found["gpu-operator-release"].inputs
    values = release["values"]

    assert release["chart"] == f"oci://{HOST}/rag/charts/gpu-operator"
    assert release["version"] == "v26.7.0"
    assert release["repositoryOpts"]["username"] == "robot"
    assert release["repositoryOpts"]["caFile"].endswith("ca.crt")
    assert "pull-secret" not in str(found["gpu-operator-release"].shown)
    assert values["operator"]["repository"] == f"{HOST}/rag/nvidia"
    assert values["operator"]["version"].startswith("v26.7.0@sha256:")
    assert values["node-feature-discovery"]["image"]["tag"].startswith("v0.19.0@sha256:")
    assert values["dcgmExporter"]["version"].startswith("4.6.0-4.8.3-distroless@sha256:")


def test_the_driver_of_one_system_is_pinned_and_reads_the_sites_packages(
    deploy: Deploy, tmp_path: Path
) -> None:
    settings = sealed(tmp_path, gpuOperator={"driverPackages": "site-packages"})
    settings["cluster"]["gpu"] = {}

    values = deploy(settings, secrets=PASSWORD)["gpu-operator-release"].inputs["values"]

    assert values["driver"]["repoConfig"] == {"configMapName": "site-packages"}
    assert values["driver"]["certConfig"] == {"name": "gpu-operator-ca-auto"}
    # alone, because the operator would append the node's system to a tag
    assert values["driver"]["version"].startswith("sha256:")


def test_pods_that_call_out_trust_the_private_authority(deploy: Deploy, tmp_path: Path) -> None:
    found = deploy(sealed(tmp_path), secrets=PASSWORD)
    path = "/etc/stackyard/ca/ca.crt"

    for name in ("rag-deployment", "llm-deployment", "llm-import"):
        pod = pods(found)[name]
        (container,) = pod["containers"]
        env = {each["name"]: each["value"] for each in container["env"]}
        assert (env["SSL_CERT_FILE"], env["REQUESTS_CA_BUNDLE"]) == (path, path), name
        assert {"name": "ca", "mountPath": "/etc/stackyard/ca", "readOnly": True} in container[
            "volumeMounts"
        ], name
        assert any(each["name"] == "ca" for each in pod["volumes"]), name
    assert found["rag-ca"].inputs["data"] == {"ca.crt": CERTIFICATE}
    # Pulumi's choice, so that another authority is another ConfigMap and pods start anew
    assert "name" not in found["rag-ca"].inputs["metadata"]


def test_a_proxy_reaches_pods_that_call_out_and_no_other(deploy: Deploy, tmp_path: Path) -> None:
    proxy = {"https": "http://10.0.0.11:3128", "noProxy": [".corp.example"]}
    settings = sealed(tmp_path, network={"allowed": ["10.0.0.0/24"], "proxy": proxy})

    found = pods(deploy(settings, secrets=PASSWORD))

    for name, pod in found.items():
        env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        if name == "qdrant-statefulset":
            assert "https_proxy" not in env
        else:
            assert env["https_proxy"] == env["HTTPS_PROXY"] == "http://10.0.0.11:3128"
            assert env["NO_PROXY"].split(",")[-2:] == [HOST, ".corp.example"]


def test_model_files_are_imported_by_digest_and_no_key_is_anywhere(
    deploy: Deploy, tmp_path: Path
) -> None:
    found = deploy(sealed(tmp_path), secrets=PASSWORD)

    (container,) = pods(found)["llm-import"]["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    short = digest(100).removeprefix("sha256:")[:12]
    assert env["ARTEFACT"] == f"{HOST}/rag/stackyard/models/llm:{short}@{digest(100)}"
    assert "NGC_API_KEY" not in json.dumps([each.inputs for each in found.resources])
    server = {e["name"]: e["value"] for e in pods(found)["llm-deployment"]["containers"][0]["env"]}
    assert server["NIM_MODEL_PROFILE"] == "p1"
    assert server["DO_NOT_TRACK"] == "1"
    assert server["NIM_DISABLE_MODEL_DOWNLOAD"] == "1"
    assert "initContainers" not in pods(found)["llm-deployment"]
    assert not found["llm-cache"].protect


def test_a_preloaded_volume_has_no_import(deploy: Deploy, tmp_path: Path) -> None:
    found = deploy(sealed(tmp_path, models=models("llm", preloaded=True)), secrets=PASSWORD)

    assert "llm-import" not in pods(found)
    assert "embedding-import" in pods(found)
    assert found["llm-cache"].protect


def test_no_policy_lets_anything_out_but_to_the_registry(deploy: Deploy, tmp_path: Path) -> None:
    found = deploy(sealed(tmp_path), secrets=PASSWORD)

    blocks = {
        (each.inputs["metadata"]["name"], peer["ipBlock"]["cidr"])
        for each in found.of("NetworkPolicy")
        for rule in each.inputs["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    }
    assert blocks == {
        *(("dns", own) for own in NODE_DNS),  # of the node itself
        *(
            (f"{role}-import-to-registry-egress", "10.0.0.10/32")
            for role in ("llm", "embedding", "ranking")
        ),
    }


def test_an_allowed_model_of_the_company_is_reached_by_the_allowed_ranges(
    deploy: Deploy, tmp_path: Path
) -> None:
    settings = sealed(tmp_path, models=hosted("https://llm.corp.example:8443/v1"))

    found = deploy(settings, secrets=PASSWORD)

    rule = found["network-rag-to-hosted-llm-egress"].inputs["spec"]["egress"][0]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.10/32"}}]
    assert rule["ports"] == [{"port": 8443, "protocol": "TCP"}]


def test_a_private_eks_copies_nothing_and_builds_nothing(deploy: Deploy, tmp_path: Path) -> None:
    from tests.infra.test_gpu_settings import EKS

    cluster = {**EKS, "endpoint": "private"}
    filled = {role: {**given, "preloaded": True} for role, given in NIM.items()}
    settings = sealed(tmp_path, cluster=cluster, models={"kind": "nim", **filled})
    settings["registry"] = {"mirrored": True, **write_files(tmp_path)}
    settings.pop("network")  # nothing of its pods leaves: no range of addresses is asked for

    found = deploy(settings)

    assert not found.of("Image") + found.of("ImageCopy") + found.of("Job")
