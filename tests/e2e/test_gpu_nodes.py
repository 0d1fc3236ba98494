"""A NIM's way on a real cluster whose node only says that it has a GPU.

Doubled, because neither can be had here: NVIDIA's image, by our CPU server of the same routes, user
and cache, and NVIDIA's model store, by ours. Scheduling, volume, download Job and probes are real.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.components.download_causes import cause_in
from tests.e2e.team import Team, image_of, make_team
from tests.e2e.yard import Yard

pytestmark = pytest.mark.e2e

KEY = "the-key-of-this-test"
STORE = "model-store"
MODEL = "stackyard/all-minilm-l6-v2"


@pytest.fixture(scope="module")
def team(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with nim_team(yard, tmp_path_factory.mktemp("gpu"), "gpu") as team:
        yield team


@contextmanager
def nim_team(
    yard: Yard, folder: Path, name: str, models: dict[str, Any] | None = None, **settings: Any
) -> Iterator[Team]:
    """Have a stack whose embedding model is a NIM, on a node that says that it has one GPU."""
    node = yard.objects("nodes")[0]["metadata"]["name"]
    image = image_of(yard, "models")
    yard.kubectl("label", "node", node, "nvidia.com/gpu.present=true", "--overwrite")
    offer_gpus(yard, node, "1")
    store = f"{STORE}-{name}"  # its namespace
    yard.kubectl("create", "namespace", store)
    run = ["run", STORE, "-n", store, f"--image={image}", f"--env=LOCAL_MODELS_STORE_KEY={KEY}"]
    serve = ["model-store", "/opt/weights", "--host", "0.0.0.0", "--port", "8000"]
    yard.kubectl(*run, "--port=8000", "--expose", "--", *serve)
    yard.kubectl("wait", "-n", store, f"pod/{STORE}", "--for=condition=Ready", "--timeout=120s")
    embedding = {
        "kind": "nim",
        "image": image,
        "model": MODEL,
        "dimension": 384,
        "cpu": "100m",
        "memory": "512Mi",
        "sharedMemory": "64Mi",
        "cacheStorage": "1Gi",
        "startupMinutes": 4,
        "environment": {
            "LOCAL_MODELS_ROLE": "embedding",
            "LOCAL_MODELS_STORE_URL": f"http://{STORE}.{store}.svc:8000",
        },
    }
    cluster = {"gpu": {"preinstalled": "operator"}}
    given = {"embedding": embedding, **(models or {})}
    team = make_team(yard, folder, name, cluster=cluster, models=given, **settings)
    yield team
    team.stackyard("down", "--delete-data", "--yes")
    yard.kubectl("delete", "namespace", store, "--wait=false")
    offer_gpus(yard, node, "0")


def offer_gpus(yard: Yard, node: str, count: str) -> None:
    """Let the node's status say that it has GPUs; no device is behind it."""
    amounts = {"nvidia.com/gpu": count}
    patch = json.dumps({"status": {"capacity": amounts, "allocatable": amounts}})
    yard.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)


def embedding_pods(yard: Yard, namespace: str = "models-gpu") -> list[dict[str, Any]]:
    return yard.objects("pods", "-n", namespace, "-l", "app.kubernetes.io/name=embedding")


def test_a_refused_key_is_told_as_such_and_the_next_up_goes_on(team: Team, yard: Yard) -> None:
    team.pulumi("config", "set", "--secret", "stackyard:ngcApiKey", "another-key")
    refused = team.pulumi("up", "--yes", "--skip-preview", fails=True)
    team.pulumi("config", "set", "--secret", "stackyard:ngcApiKey", KEY)
    team.pulumi("up", "--yes", "--skip-preview")

    cause = cause_in(refused)
    assert cause is not None, refused
    assert cause.name == "key", refused
    assert "another-key" not in refused
    (pod,) = embedding_pods(yard)
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "NGC_API_KEY" not in {entry["name"] for entry in container["env"]}
    assert pod["status"]["containerStatuses"][0]["ready"] is True


def test_model_files_survive_their_pod(team: Team, yard: Yard) -> None:
    (before,) = embedding_pods(yard)
    jobs = [job["metadata"]["uid"] for job in yard.objects("jobs", "-n", "models-gpu")]

    yard.kubectl("delete", "pod", "-n", "models-gpu", before["metadata"]["name"])
    until = time.monotonic() + 180
    rollout = ["rollout", "status", "-n", "models-gpu", "deployment/embedding", "--timeout=180s"]
    yard.kubectl(*rollout)

    (after,) = [pod for pod in embedding_pods(yard) if "deletionTimestamp" not in pod["metadata"]]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert time.monotonic() < until
    assert [j["metadata"]["uid"] for j in yard.objects("jobs", "-n", "models-gpu")] == jobs


def test_one_gpu_too_many_waits_and_says_so(team: Team, yard: Yard) -> None:
    yard.kubectl("scale", "-n", "models-gpu", "deployment/embedding", "--replicas=2")
    try:
        told = wait_for_event(yard, "Insufficient nvidia.com/gpu")
    finally:
        yard.kubectl("scale", "-n", "models-gpu", "deployment/embedding", "--replicas=1")

    assert told


def wait_for_event(yard: Yard, text: str) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        events = yard.objects("events", "-n", "models-gpu")
        if any(text in str(event.get("message")) for event in events):
            return True
        time.sleep(1)
    return False
