"""A model role on GPUs: its pod, its volume, the download before it, and who holds the key."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from infra.components.download_causes import CAUSES, cause_in, cause_of
from infra.components.nim_download import PROGRESS, WAIT
from infra.models.nim import LARGE, SMALL, startup_minutes
from tests.infra.conftest import Deploy
from tests.infra.recorder import DIGEST, Deployment
from tests.infra.test_gpu_settings import KEY, NIM, ONPREM, REGISTRY

BASE = {"cluster": ONPREM, "registry": REGISTRY}
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def with_llm(deploy: Deploy, **llm: Any) -> Deployment:
    return deploy({**BASE, "models": {**NIM, "llm": llm}}, secrets=KEY)


@pytest.fixture(scope="module")
def plain(deploy_once: Deploy) -> Deployment:
    return deploy_once({**BASE, "models": NIM}, secrets=KEY)


def env(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "from a secret") for each in container["env"]}


def test_a_nim_runs_on_gpu_nodes_only_one_at_a_time(plain: Deployment) -> None:
    spec = plain["llm-deployment"].inputs["spec"]
    pod = plain.pods["llm"]

    assert spec["strategy"] == {"type": "Recreate"}
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"] == [GPU_TOLERATION]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1000
    assert spec["progressDeadlineSeconds"] == (30 + 15) * 60


def test_a_role_may_have_nodes_of_its_own_and_its_download_goes_there(deploy: Deploy) -> None:
    found = with_llm(deploy, nodeSelector={"card": "large"})

    there = {"nvidia.com/gpu.present": "true", "card": "large"}
    assert found.pods["llm"]["nodeSelector"] == there
    job = found["llm-download"].inputs["spec"]["template"]["spec"]
    assert job["nodeSelector"] == there
    assert found.pods["ranking"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}


def test_a_nim_is_probed_by_its_own_routes_within_its_budget(deploy: Deploy) -> None:
    (container,) = with_llm(deploy, startupMinutes=120).pods["llm"]["containers"]

    assert container["startupProbe"]["httpGet"] == {"path": "/v1/health/ready", "port": "http"}
    assert container["startupProbe"]["periodSeconds"] == 10
    assert container["startupProbe"]["failureThreshold"] == 720
    assert container["livenessProbe"]["httpGet"]["path"] == "/v1/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/health/ready"


@pytest.mark.parametrize(
    ("model", "llm", "other"),
    [
        ("meta/llama-3.1-8b-instruct", 30, 15),
        ("nvidia/llama-nemotron-embed-1b-v2", 30, 15),
        ("qwen/qwen2.5-1.5b", 30, 15),
        ("nvidia/llama-3.3-nemotron-super-49b-v1.5", 71, 56),
        ("mistralai/mixtral-8x7b-instruct-v0.1", 78, 63),
        ("nvidia/nemotron-3-super-120b-a12b", 142, 127),
        ("meta/llama-3.1-405b-instruct", 240, 240),
        ("our/own-model", 30, 15),
    ],
)
def test_a_larger_model_has_longer_to_start(model: str, llm: int, other: int) -> None:
    assert startup_minutes(model, LARGE) == llm
    assert startup_minutes(model, SMALL) == other


def test_model_files_and_shared_memory_are_volumes(deploy: Deploy) -> None:
    found = with_llm(
        deploy, cacheStorage="250Gi", cacheStorageClass="fast", sharedMemory="16Gi", gpus=2
    )
    pod, claim = found.pods["llm"], found["llm-cache"]

    assert claim.inputs["spec"]["resources"] == {"requests": {"storage": "250Gi"}}
    assert claim.inputs["spec"]["storageClassName"] == "fast"
    assert claim.inputs["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim.protect is False
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts["cache"] == "/opt/nim/.cache"
    assert mounts["shared-memory"] == "/dev/shm"
    shared = {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    assert shared in pod["volumes"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"


def test_any_image_and_model_may_be_named(deploy: Deploy) -> None:
    found = with_llm(
        deploy,
        image="nvcr.io/nim/nvidia/x:2.0.5",
        model="nvidia/x",
        maxModelLength=8192,
        environment={"NIM_PASSTHROUGH_ARGS": "--disable-custom-all-reduce"},
    )
    (container,) = found.pods["llm"]["containers"]

    assert container["image"] == "nvcr.io/nim/nvidia/x:2.0.5"
    assert env(container)["NIM_SERVED_MODEL_NAME"] == "nvidia/x"
    assert env(container)["NIM_MAX_MODEL_LEN"] == "8192"
    assert env(container)["NIM_PASSTHROUGH_ARGS"] == "--disable-custom-all-reduce"
    assert env(found.pods["rag"]["containers"][0])["RAG_LLM_MODEL"] == "nvidia/x"


def test_an_image_on_cpu_of_the_same_shape_may_take_a_nims_place(deploy: Deploy) -> None:
    image = f"localhost:5001/stackyard/models@{DIGEST}"
    store = {
        "LOCAL_MODELS_ROLE": "embedding",
        "LOCAL_MODELS_STORE_URL": "https://store.models-dev.svc",
        "NIM_SERVED_MODEL_NAME": "stackyard/all-minilm-l6-v2",
    }
    embedding = {
        "image": image,
        "model": "stackyard/all-minilm-l6-v2",
        "dimension": 384,
        "cpu": "100m",
        "memory": "512Mi",
        "sharedMemory": "64Mi",
        "cacheStorage": "1Gi",
        "startupMinutes": 4,
        "environment": store,
    }
    cluster = {**ONPREM, "gpu": {"preinstalled": "operator"}}
    models = {"llm": {"kind": "local"}, "embedding": {"kind": "nim", **embedding}}
    settings = {"cluster": cluster, "registry": {"host": "localhost:5001"}, "models": models}

    found = deploy(settings, secrets=KEY)

    (server,) = found.pods["embedding"]["containers"]
    (download,) = found["embedding-download"].inputs["spec"]["template"]["spec"]["containers"]
    for container in (server, download):
        assert container["image"] == image
        assert store.items() <= env(container).items()
    assert server["resources"]["requests"] == {
        "cpu": "100m",
        "memory": "512Mi",
        "nvidia.com/gpu": "1",
    }
    assert "imagePullSecrets" not in found.pods["embedding"]
    assert not found.of("Release")


def test_the_download_has_the_key_and_the_way_out_and_the_server_neither(
    plain: Deployment,
) -> None:
    job = plain["llm-download"].inputs["spec"]["template"]
    (download,) = job["spec"]["containers"]

    assert download["args"] == ["download-to-cache"]
    secret = {"secretKeyRef": {"name": "ngc-api", "key": "NGC_API_KEY"}}
    assert {"name": "NGC_API_KEY", "valueFrom": secret} in download["env"]
    assert "NGC_API_KEY" not in env(plain.pods["llm"]["containers"][0])
    out = [
        each.inputs["spec"]
        for each in plain.of("NetworkPolicy")
        if each.inputs["metadata"]["namespace"] == "models-dev"
        and each.inputs["spec"].get("egress")
        and each.inputs["metadata"]["name"] != "dns"
    ]
    names = {each["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for each in out}
    assert names == {"llm-download", "embedding-download", "ranking-download"}
    assert all(each["egress"][0]["ports"] == [{"port": 443, "protocol": "TCP"}] for each in out)
    assert job["metadata"]["labels"]["app.kubernetes.io/name"] == "llm-download"


def test_one_setting_becomes_both_secrets_of_nvidias_registry(plain: Deployment) -> None:
    assert plain["ngc-api"].inputs["stringData"] == {"NGC_API_KEY": "nvapi-ngc"}
    config = json.loads(plain["ngc-pull"].inputs["stringData"][".dockerconfigjson"])
    assert config["auths"]["nvcr.io"]["username"] == "$oauthtoken"
    assert plain.pods["llm"]["imagePullSecrets"] == [{"name": "ngc-pull"}]
    shown = str([each.shown for each in plain.resources])
    assert "nvapi-ngc" not in shown


def test_the_pods_of_a_model_pull_from_both_registries(deploy: Deploy) -> None:
    models = {
        **NIM,
        "llm": {"artefact": f"r.example.com/models/llm@{DIGEST}"},
        "embedding": {"image": "r.example.com/nim/own:2", "model": "our/own", "dimension": 384},
    }
    settings = {"cluster": ONPREM, "registry": {**REGISTRY, "username": "robot"}, "models": models}

    found = deploy(settings, secrets={**KEY, "registryPassword": "p"})

    pods = {"import": found["llm-import"].inputs["spec"]["template"]["spec"], **found.pods}
    secrets = {
        name: [each["name"] for each in pods[name]["imagePullSecrets"]]
        for name in ("import", "llm", "embedding", "ranking")
    }
    ngc, own = "ngc-pull", "models-pull-auto"
    assert secrets["llm"] == secrets["ranking"] == secrets["import"] == [ngc, own]
    assert secrets["embedding"] == [own, ngc]
    assert [each["name"] for each in found.pods["rag"]["imagePullSecrets"]] == ["rag-pull-auto"]


def test_a_named_profile_is_downloaded_without_a_gpu(deploy: Deploy) -> None:
    found = with_llm(deploy, profile="vllm-bf16-tp1-pp1")
    (download,) = found["llm-download"].inputs["spec"]["template"]["spec"]["containers"]

    assert download["args"] == ["download-to-cache", "-p", "vllm-bf16-tp1-pp1"]
    assert "nvidia.com/gpu" not in download["resources"]["limits"]
    assert env(found.pods["llm"]["containers"][0])["NIM_MODEL_PROFILE"] == "vllm-bf16-tp1-pp1"


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"profile": "other"}, True),
        ({"image": "nvcr.io/nim/x:2", "model": "meta/llama-3.1-8b-instruct"}, True),
        ({"environment": {"NIM_REPOSITORY_OVERRIDE": "https://store.example.com"}}, True),
        ({"environment": {"NIM_TENSOR_PARALLEL_SIZE": "2"}}, True),
        ({"environment": {"LOCAL_MODELS_STORE_URL": "https://store.example.com"}}, True),
        ({"environment": {"NIM_PASSTHROUGH_ARGS": "--disable-custom-all-reduce"}}, False),
        ({"environment": {"NIM_SERVED_MODEL_NAME": "x", "NIM_LOG_LEVEL": "INFO"}}, False),
        ({"environment": {"NCCL_NVLS_ENABLE": "0"}}, False),
        ({"maxModelLength": 4096}, False),
        ({"memory": "32Gi", "cpu": "8", "startupMinutes": 60}, False),
    ],
)
def test_only_other_files_are_downloaded_again(
    deploy: Deploy, plain: Deployment, change: dict[str, Any], again: bool
) -> None:
    changed = with_llm(deploy, **change)

    job, before = changed["llm-download"], plain["llm-download"]
    same = job.inputs["metadata"]["name"] == before.inputs["metadata"]["name"]
    assert same is not again
    # a server with other files is another server
    assert (files_of(changed) == files_of(plain)) is same


def files_of(found: Deployment) -> str:
    annotations = found["llm-deployment"].inputs["spec"]["template"]["metadata"]["annotations"]
    return str(annotations["stackyard/files"])


def test_a_new_key_changes_no_pod(deploy: Deploy, plain: Deployment) -> None:
    rotated = deploy({**BASE, "models": NIM}, secrets={"ngcApiKey": "nvapi-another"})

    assert rotated["ngc-pull"].inputs["stringData"] != plain["ngc-pull"].inputs["stringData"]
    for name in ("llm-download", "llm-deployment"):
        assert rotated[name].inputs == plain[name].inputs
        assert {"ngc-api", "ngc-pull"} <= rotated[name].after


def test_a_preloaded_volume_is_protected_waited_for_and_needs_no_key(deploy: Deploy) -> None:
    roles = {role: {"preloaded": True} for role in ("llm", "embedding", "ranking")}
    found = deploy({**BASE, "models": {**NIM, **roles}})

    assert not found.of("Job")
    assert found["llm-cache"].protect is True
    assert "NGC" not in json.dumps([each.inputs for each in found.of("Secret")])
    (wait,) = found.pods["llm"]["initContainers"]
    assert wait["command"] == ["/bin/sh", "-c", WAIT]
    policies = {each.inputs["metadata"]["name"] for each in found.of("NetworkPolicy")}
    assert not [name for name in policies if "ngc" in name]


def test_a_role_may_be_hosted_beside_others_on_gpus(deploy: Deploy) -> None:
    models = {**NIM, "llm": {"kind": "hosted"}}
    found = deploy({**BASE, "models": models}, secrets={**KEY, "nvidiaApiKey": "nvapi"})

    assert "llm" not in found.pods
    assert {"embedding", "ranking"} <= found.pods.keys()


def test_a_namespace_scope_makes_nothing_outside_of_its_namespaces(deploy: Deploy) -> None:
    cluster = {**ONPREM, "scope": "namespace"}

    found = deploy({"cluster": cluster, "registry": REGISTRY, "models": NIM}, secrets=KEY)

    objects = [each for each in found.resources if each.type.startswith("kubernetes:")]
    assert {each.inputs["metadata"]["namespace"] for each in objects} == {"rag-dev", "models-dev"}


def test_the_progress_of_a_download_is_told_in_bytes_and_minutes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    quick = PROGRESS.replace("/opt/nim/.cache", str(cache)).replace("sleep 10", "sleep 0.2")
    with subprocess.Popen(
        ["/bin/sh", "-c", quick],
        env={"TOTAL_MIB": "3000", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        whole = tmp_path / "weights"
        whole.write_bytes(b"x" * 30 * 1024 * 1024)
        whole.rename(cache / "weights")  # it may be looked at in the middle of a write
        told = ""
        while "left" not in told:
            told = process.stdout.readline()
        process.kill()

    assert told.startswith("30 of about 3000 MiB downloaded, ")
    assert told.rstrip().endswith("min left")


def test_the_wait_for_files_ends_with_the_first_file(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    script = WAIT.replace("/opt/nim/.cache", str(tmp_path)).replace("sleep 10", "sleep 0.1")
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        (tmp_path / "model").write_text("here")
        process.communicate(timeout=30)

    assert "is empty: fill this volume" in told
    assert process.returncode == 0


@pytest.mark.parametrize("script", [PROGRESS, WAIT], ids=["progress", "wait"])
def test_a_script_that_is_process_1_ends_when_it_is_told_to(script: str, tmp_path: Path) -> None:
    script = script.replace("/opt/nim/.cache", str(tmp_path))
    with subprocess.Popen(["/bin/sh", "-c", "echo; " + script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        process.terminate()
        process.wait(timeout=5)  # not the ten seconds of a sleep

    # by its own will: the kernel keeps a signal that is not caught from process 1
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("HTTP status client error (401 Unauthorized) for url (https://api.ngc.nvidia.com)", "key"),
        ("ERROR: authentication required", "key"),
        ("failed to fetch: 402 Payment Required", "subscription"),
        ("Error: 403 Forbidden: nvidia/nim/meta", "rights"),
        ("ValueError: Could not find a profile that is currently runnable", "profile"),
        ("No compatible profiles found for this GPU", "profile"),
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("PermissionError: [Errno 13] Permission denied: '/opt/nim/.cache/x'", "permission"),
        ("dns error: failed to lookup: Temporary failure in name resolution", "network"),
        ("ssl: certificate verify failed: unable to get local issuer", "network"),
    ],
)
def test_a_failed_download_says_which_known_cause_it_was(log: str, cause: str) -> None:
    found = cause_of("llm", 1, log)

    assert found is not None
    assert found.name == cause
    assert "ROLE." not in found.hint


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        ('storageclass.storage.k8s.io "fast" not found', "storage-class"),
        ("pod has unbound immediate PersistentVolumeClaims", "storage-class"),
        (
            "Multi-Attach error for volume pvc-1: Volume is already exclusively attached",
            "access-mode",
        ),
        ("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", "gpu"),
        ("failed to pull image: unexpected status 402 Payment Required", "subscription"),
    ],
)
def test_an_event_of_its_pod_says_the_cause_too(event: str, cause: str) -> None:
    found = cause_of("ranking", None, "", [event])

    assert found is not None
    assert found.name == cause


def test_an_unknown_failure_is_not_guessed_and_a_kill_is_memory() -> None:
    assert cause_of("llm", 1, "Segmentation fault") is None
    killed = cause_of("llm", 137, "downloading")
    assert killed is not None
    assert killed.name == "memory"
    assert "models.llm.preloaded" in killed.hint
    assert len({cause.name for _, cause in CAUSES}) == len(CAUSES)


def test_the_engines_words_about_a_failed_download_are_understood() -> None:
    said = """Resource llm-download: Job models-dev/llm-download-1a2b is not ready: it failed:
      container download: HTTP status client error (402 Payment Required)"""

    found = cause_in(said)

    assert found is not None
    assert found.name == "subscription"
    assert cause_in("Resource rag-deployment: 401 Unauthorized") is None
