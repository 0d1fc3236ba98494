"""How the app's pods are replaced, and where they may be."""

from tests.infra.conftest import Deploy
from tests.infra.recorder import Deployment


def spec_of(found: Deployment) -> dict[str, object]:
    spec: dict[str, object] = found["rag-deployment"].inputs["spec"]
    return spec


def test_a_new_pod_answers_before_an_old_one_is_told_to_end(deploy: Deploy) -> None:
    found = deploy({"app": {"replicas": 3}})

    assert spec_of(found)["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert spec_of(found)["replicas"] == 3


def test_a_version_that_cannot_share_the_data_is_put_in_the_place_of_the_other(
    deploy: Deploy,
) -> None:
    assert spec_of(deploy({"app": {"update": "recreate"}}))["strategy"] == {"type": "Recreate"}


def test_all_pods_of_the_app_are_on_one_node_and_nothing_keeps_a_drain_from_them(
    deploy: Deploy,
) -> None:
    found = deploy({"app": {"replicas": 2}})
    pod = found.pods["rag"]

    (term,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {
            "matchLabels": {
                "app.kubernetes.io/name": "rag",
                "app.kubernetes.io/instance": "dev",
            }
        },
    }
    assert found.of("PodDisruptionBudget") == []


def test_the_time_to_end_is_longer_than_what_the_app_takes_for_it(deploy: Deploy) -> None:
    pod = deploy().pods["rag"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}

    leave, drain = (int(environment[f"RAG_{name}_SECONDS"]) for name in ("LEAVE", "SHUTDOWN"))

    assert leave > 5  # a node may hear of it late
    assert pod["terminationGracePeriodSeconds"] >= leave + drain + 15  # a job may take 10 to end
