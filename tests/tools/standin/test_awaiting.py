"""One look at a live object: ready, on its way, or failed."""

from typing import Any

import pytest

from tests.tools.standin.doubles import FakeApi
from tools.standin.awaiting.verdict import Verdict
from tools.standin.awaiting.waiter import CHECKS
from tools.standin.cluster import Cluster
from tools.standin.diffing import kind_key
from tools.standin.kubeconfig import read_target

Json = dict[str, Any]


@pytest.fixture
def cluster(api: FakeApi) -> Any:
    target = read_target(api.kubeconfig())
    assert target is not None
    made = Cluster(target)
    yield made
    made.close()


def looked(cluster: Cluster, api_version: str, kind: str, **rest: Any) -> Verdict:
    meta = {"name": "x", "namespace": "rag-dev", "generation": 2}
    live: Json = {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": {}, **rest}
    return CHECKS[kind_key(live)](live, cluster)


def condition(kind: str, status: str = "True", **rest: str) -> Json:
    return {"conditions": [{"type": kind, "status": status, **rest}]}


SEEN = {"observedGeneration": 2}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"observedGeneration": 1}, "not seen it"),
        ({**SEEN}, "0 of 2 replicas are of the new revision"),
        ({**SEEN, "updatedReplicas": 2, "replicas": 3}, "1 replicas of the old revision"),
        ({**SEEN, "updatedReplicas": 2, "replicas": 2}, "0 of 2 replicas are available"),
        ({**SEEN, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}, ""),
    ],
)
def test_a_deployment_is_ready_when_all_new_replicas_are_available(
    cluster: Cluster, status: Json, text: str
) -> None:
    verdict = looked(cluster, "apps/v1", "Deployment", spec={"replicas": 2}, status=status)

    assert verdict.ready == (not text)
    assert text in verdict.text


def test_a_deployment_past_its_deadline_has_failed(cluster: Cluster) -> None:
    status = {**SEEN, **condition("Progressing", "False", reason="ProgressDeadlineExceeded")}

    assert looked(cluster, "apps/v1", "Deployment", status=status).failed


def test_a_deployment_of_no_replicas_is_ready(cluster: Cluster) -> None:
    assert looked(cluster, "apps/v1", "Deployment", spec={"replicas": 0}, status=SEEN).ready


def test_a_stateful_set_waits_for_the_new_revision(cluster: Cluster) -> None:
    status = {**SEEN, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    rolling = {**status, "currentRevision": "a", "updateRevision": "b"}
    done = {**status, "currentRevision": "b", "updateRevision": "b"}

    assert not looked(cluster, "apps/v1", "StatefulSet", status=rolling).ready
    assert looked(cluster, "apps/v1", "StatefulSet", status=done).ready


def test_a_daemon_set_waits_for_every_node(cluster: Cluster) -> None:
    status = {**SEEN, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2}

    assert looked(cluster, "apps/v1", "DaemonSet", status=status).text == "0 of 2 nodes run it"
    assert looked(cluster, "apps/v1", "DaemonSet", status={**status, "numberAvailable": 2}).ready


def test_a_job_is_ready_when_complete_and_failed_when_failed(cluster: Cluster) -> None:
    failed = looked(cluster, "batch/v1", "Job", status=condition("Failed", message="backoff"))

    assert looked(cluster, "batch/v1", "Job", status=condition("Complete")).ready
    assert failed.failed
    assert failed.text == "it failed: backoff"
    assert not looked(cluster, "batch/v1", "Job", status={"failed": 1}).failed


def test_a_pod_is_ready_when_it_serves_or_is_done(cluster: Cluster) -> None:
    assert looked(cluster, "v1", "Pod", status=condition("Ready")).ready
    assert looked(cluster, "v1", "Pod", status={"phase": "Succeeded"}).ready
    assert looked(cluster, "v1", "Pod", status={"phase": "Failed"}).failed
    assert not looked(cluster, "v1", "Pod", status={"phase": "Running"}).ready


def test_a_claim_waits_to_be_bound_unless_it_binds_with_its_consumer(
    api: FakeApi, cluster: Cluster
) -> None:
    api.store("storage.k8s.io/v1", "StorageClass", {"metadata": {"name": "now"}})
    late = {"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}
    api.store("storage.k8s.io/v1", "StorageClass", late)
    pending = {"phase": "Pending"}

    def claim(storage: str) -> Verdict:
        spec = {"storageClassName": storage}
        return looked(cluster, "v1", "PersistentVolumeClaim", spec=spec, status=pending)

    assert claim("late").ready
    assert claim("now").text == "it is Pending"
    assert 'there is no storage class "none"' in claim("none").text
    assert looked(cluster, "v1", "PersistentVolumeClaim", status={"phase": "Bound"}).ready
    assert looked(cluster, "v1", "PersistentVolumeClaim", status={"phase": "Lost"}).failed


def test_a_quota_waits_until_it_counts_by_its_newest_limits(cluster: Cluster) -> None:
    spec = {"hard": {"pods": "12"}}

    def quota(**status: Json) -> Verdict:
        return looked(cluster, "v1", "ResourceQuota", spec=spec, status=status)

    assert quota().text == "it does not count yet"
    assert not quota(hard={"pods": "10"}).ready
    assert quota(hard={"pods": "12"}, used={"pods": "3"}).ready


def test_a_service_waits_for_a_pod_behind_it(api: FakeApi, cluster: Cluster) -> None:
    spec = {"selector": {"app": "x"}, "clusterIP": "10.0.0.1"}
    labels = {"kubernetes.io/service-name": "x"}

    before = looked(cluster, "v1", "Service", spec=spec)
    endpoints = [{"conditions": {"ready": True}}]
    slice_ = {"metadata": {"name": "x-1", "labels": labels}, "endpoints": endpoints}
    api.store("discovery.k8s.io/v1", "EndpointSlice", slice_)

    assert before.text == "no ready pod stands behind it"
    assert looked(cluster, "v1", "Service", spec=spec).ready


@pytest.mark.parametrize(
    "spec",
    [
        {"selector": {"app": "x"}, "clusterIP": "None"},
        {"type": "ExternalName"},
        {"clusterIP": "10.0.0.1"},
    ],
)
def test_a_service_that_no_pod_stands_behind_is_ready(cluster: Cluster, spec: Json) -> None:
    assert looked(cluster, "v1", "Service", spec=spec).ready


def test_a_load_balancer_waits_for_its_address(cluster: Cluster) -> None:
    spec = {"type": "LoadBalancer"}
    given = {"loadBalancer": {"ingress": [{"ip": "10.1.1.1"}]}}

    assert not looked(cluster, "v1", "Service", spec=spec).ready
    assert looked(cluster, "v1", "Service", spec=spec, status=given).ready


def test_a_new_kind_waits_until_it_is_served(cluster: Cluster) -> None:
    api = "apiextensions.k8s.io/v1"

    assert not looked(cluster, api, "CustomResourceDefinition").ready
    status = condition("Established")
    assert looked(cluster, api, "CustomResourceDefinition", status=status).ready
