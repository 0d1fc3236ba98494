"""How far a stack's models are, and why one is stuck, from objects and events."""

import re
from typing import Any

import pytest

from stackyard.checks.timeline import Stage, timeline
from stackyard.kubernetes import Kubernetes
from tests.stackyard.fake_kubernetes import NODES, FakeKubernetes, Json, gpu_node

PODS = "/api/v1/namespaces/models-x/pods"
EVENTS = "/api/v1/namespaces/models-x/events"
CLAIMS = "/api/v1/namespaces/models-x/persistentvolumeclaims"
SELECTOR = {"nvidia.com/gpu.present": "true"}


def pod(name: str = "llm-0", *, job: bool = False, **status: Any) -> Json:
    owner = {"kind": "Job" if job else "ReplicaSet", "name": "x"}
    return {
        "metadata": {
            "name": name,
            "namespace": "models-x",
            "creationTimestamp": "2026-11-26T10:05:00Z",
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": "gpu-1", "containers": [{"name": "download" if job else "llm"}]},
        "status": {"phase": "Pending", **status},
    }


def container(state: Json, *, pulled: bool = True, last: Json | None = None) -> Json:
    return {
        "name": "nim",
        "imageID": "sha256:1" if pulled else "",
        "state": state,
        "lastState": last or {},
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def ended(message: str, code: int = 1, reason: str = "Error") -> Json:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def event(about: str, reason: str, message: str, when: str = "2026-11-26T10:08:00Z") -> Json:
    return {
        "metadata": {"name": f"{about}.{reason}"},
        "involvedObject": {"name": about},
        "reason": reason,
        "message": message,
        "lastTimestamp": when,
    }


@pytest.fixture(autouse=True)
def healthy(fake: FakeKubernetes) -> None:
    fake.lists[NODES] = [gpu_node()]


def stages(api: Kubernetes) -> list[Stage]:
    return list(timeline(api, "models-x", SELECTOR))


def last(api: Kubernetes) -> Stage:
    return stages(api)[-1]


def test_before_up_there_is_no_timeline(api: Kubernetes) -> None:
    assert stages(api) == []


def test_a_ready_model_has_come_through_every_stage_in_time(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-26T10:11:00Z"}]
    running = {"running": {"startedAt": "2026-11-26T10:08:30Z"}}
    done = {"terminated": {"exitCode": 0, "finishedAt": "2026-11-26T10:07:00Z"}}
    download = pod(
        "llm-download",
        job=True,
        phase="Succeeded",
        startTime="2026-11-26T10:05:00Z",
        containerStatuses=[container(done)],
    )
    server = pod(conditions=ready, containerStatuses=[container(running)])
    fake.lists[PODS] = [download, server]
    fake.lists[EVENTS] = [event("llm-0", "Pulled", "Successfully pulled image")]

    found = stages(api)

    assert [(stage.stage, stage.state, stage.seconds) for stage in found] == [
        ("nodes", "done", 180),
        ("driver", "done", None),
        ("pull", "done", None),
        ("weights", "done", 120),
        ("pull", "done", 180),
        ("ready", "done", 150),
    ]


def test_no_gpu_node_is_where_it_is_stuck(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.lists[NODES] = []
    fake.lists[PODS] = [pod()]

    assert (stages(api)[0].stage, stages(api)[0].state) == ("nodes", "stuck")


def test_a_driver_that_fails_says_what_its_pod_says(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.lists[NODES] = [gpu_node(allocatable={"nvidia.com/gpu": "0"})]
    fake.lists[PODS] = [pod()]
    crashed = container(waiting("CrashLoopBackOff"), last=ended("no kernel headers for 6.8.0"))
    fake.lists["/api/v1/namespaces/gpu-operator/pods"] = [
        pod("nvidia-driver-1", containerStatuses=[crashed])
    ]

    driver = stages(api)[1]

    assert (driver.stage, driver.state) == ("driver", "stuck")
    assert driver.cause == "CrashLoopBackOff: no kernel headers for 6.8.0"


def test_a_pod_without_a_free_gpu_says_so(fake: FakeKubernetes, api: Kubernetes) -> None:
    message = "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had taints"
    unscheduled = [{"type": "PodScheduled", "status": "False", "message": message}]
    fake.lists[PODS] = [pod(conditions=unscheduled)]

    assert last(api).cause.startswith("no GPU is free: ")
    assert last(api).fix == "stackyard plan"


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("failed to authorize: 401 Unauthorized", "the NGC key is refused"),
        ("unexpected status: 402 Payment Required", "the key's org has no licence for the model"),
        ("denied: 403 Forbidden", "the NGC key may not fetch it"),
        ("nvcr.io/nim/x:9: not found", "no such image, tag or model"),
        ("dial tcp: lookup nvcr.io: no such host", "the registry's name is not found"),
        ("x509: certificate signed by unknown authority", "the node does not trust the registry"),
        ("429 toomanyrequests", "the registry turns the node away"),
    ],
)
def test_a_pull_that_fails_says_which_of_the_known_causes_it_is(
    fake: FakeKubernetes, api: Kubernetes, message: str, cause: str
) -> None:
    backing_off = container(waiting("ImagePullBackOff"), pulled=False)
    fake.lists[PODS] = [pod(containerStatuses=[backing_off])]
    fake.lists[EVENTS] = [event("llm-0", "Failed", message)]

    found = last(api)

    assert (found.stage, found.state) == ("pull", "stuck")
    assert found.cause.startswith(cause)
    assert message in found.cause


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("HTTP 403 from api.ngc.nvidia.com", "the NGC key may not fetch it"),
        ("No compatible profiles for this GPU", "no profile of the image is for this GPU"),
        ("OSError: [Errno 28] No space left on device", "the volume is full"),
        ("mkdir /opt/nim/.cache/x: Permission denied", "the volume is not the pod's to write"),
    ],
)
def test_a_download_that_fails_says_which_of_the_known_causes_it_is(
    fake: FakeKubernetes, api: Kubernetes, message: str, cause: str
) -> None:
    failed = pod(
        "llm-download", job=True, phase="Failed", containerStatuses=[container(ended(message))]
    )
    fake.lists[PODS] = [failed]

    found = last(api)

    assert (found.stage, found.state) == ("weights", "stuck")
    assert found.cause.startswith(cause)
    assert "logs llm-download -c download" in found.fix


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory", "the GPU's memory is not enough"),
        ("ValueError: Free memory on device (3.1/22.0 GiB)", "a neighbour holds the GPU's memory"),
        ("The model's max seq len (131072) is larger", "the context does not fit"),
    ],
)
def test_a_server_that_crashes_says_why_it_did(
    fake: FakeKubernetes, api: Kubernetes, message: str, cause: str
) -> None:
    crashed = container(waiting("CrashLoopBackOff"), last=ended(message))
    fake.lists[PODS] = [pod(containerStatuses=[crashed])]

    assert last(api).cause.startswith(cause)


def test_a_server_that_passed_its_memory_limit_says_so(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    killed = container(waiting("CrashLoopBackOff"), last=ended("", 137, "OOMKilled"))
    fake.lists[PODS] = [pod(containerStatuses=[killed])]

    assert "OOMKilled" in last(api).cause


@pytest.mark.parametrize(
    ("containers", "told", "log"),
    [
        (  # ours, with the progress beside it
            {"containers": [{"name": "download"}], "initContainers": [{"name": "progress"}]},
            "progress",
            "10 MiB downloaded\n812 of about 15317 MiB downloaded, 55 MiB/s, about 5 min left\n",
        ),
        (  # the NIM operator's, whose only voice is NIM's own
            {"containers": [{"name": "nim-cache-ctr"}]},
            "nim-cache-ctr",
            "start\nmodel.safetensors: 10%\rmodel.safetensors: 45%",
        ),
    ],
)
def test_a_download_that_runs_says_how_far_it_is(
    fake: FakeKubernetes, api: Kubernetes, containers: Json, told: str, log: str
) -> None:
    running = container({"running": {"startedAt": "2026-11-26T10:06:00Z"}})
    download = pod("llm-download-x", job=True, phase="Running", containerStatuses=[running])
    fake.lists[PODS] = [{**download, "spec": {**download["spec"], **containers}}]
    fake.logs["llm-download-x", told] = log

    found = last(api)

    assert (found.stage, found.state) == ("weights", "running")
    assert found.cause == re.split("[\r\n]", log.strip())[-1]
    assert found.fix == f"kubectl -n models-x logs llm-download-x -c {told} -f"


def test_a_download_whose_log_may_not_be_read_is_running_all_the_same(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    running = container({"running": {"startedAt": "2026-11-26T10:06:00Z"}})
    fake.lists[PODS] = [pod("llm-download-x", job=True, containerStatuses=[running])]

    assert (last(api).stage, last(api).state, last(api).cause) == ("weights", "running", "")


def test_the_pod_that_reads_an_images_profiles_is_no_server(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    running = container({"running": {"startedAt": "2026-11-26T10:06:00Z"}})
    reading = pod("llm-download-pod", containerStatuses=[running])
    reading["metadata"]["ownerReferences"] = [{"kind": "NIMCache", "name": "llm-download"}]
    fake.lists[PODS] = [reading]

    assert [stage.stage for stage in stages(api)] == ["nodes", "driver", "pull"]


def test_a_server_that_loads_is_running_and_not_stuck(
    fake: FakeKubernetes, api: Kubernetes
) -> None:
    loading = container({"running": {"startedAt": "2026-11-26T10:08:30Z"}})
    fake.lists[PODS] = [pod(containerStatuses=[loading])]

    assert (last(api).stage, last(api).state) == ("ready", "running")


def test_a_volume_that_nobody_provides_is_stuck(fake: FakeKubernetes, api: Kubernetes) -> None:
    fake.lists[PODS] = [pod()]
    fake.lists[CLAIMS] = [{"metadata": {"name": "llm-cache"}, "status": {"phase": "Pending"}}]
    fake.lists[EVENTS] = [event("llm-cache", "ProvisioningFailed", "storageclass not found")]

    found = last(api)

    assert (found.stage, found.subject, found.state) == ("weights", "llm-cache", "stuck")
