"""Quotas and priorities: where a stack makes them, and who has which."""

import pytest

from tests.infra.conftest import Deploy
from tests.infra.test_gpu_settings import KEY, NIM, ONPREM, REGISTRY
from tests.infra.test_settings import EXISTING, refusal

NIGHTLY = {"backup": {"schedule": "0 3 * * *"}}
GPUS = {"cluster": ONPREM, "registry": REGISTRY, "models": NIM}
NAMESPACES = {
    "cluster": EXISTING["cluster"] | {"kubeconfig": __file__, "scope": "namespace"},
    "registry": {"host": "r.example.com"},
}


def test_the_default_stack_may_ask_for_twice_its_pods_and_some_room(deploy: Deploy) -> None:
    found = deploy()

    # app 100m and Qdrant 50m, both twice, and 1 CPU for whatever is tried there
    assert found["rag-quota-total"].inputs["spec"]["hard"] == {
        "pods": "14",
        "requests.cpu": "1300m",
        "requests.memory": "3456Mi",
        "limits.memory": "15360Mi",
    }
    assert found["models-quota-total"].inputs["metadata"]["namespace"] == "models-dev"


def test_a_container_that_says_nothing_gets_something_small(deploy: Deploy) -> None:
    (item,) = deploy()["rag-quota-defaults"].inputs["spec"]["limits"]

    assert item["defaultRequest"] == {"cpu": "50m", "memory": "64Mi"}
    assert item["default"] == {"memory": "512Mi"}


def test_gpus_are_counted(deploy: Deploy) -> None:
    hard = deploy(GPUS, secrets=KEY)["models-quota-total"].inputs["spec"]["hard"]

    # three servers and three downloads, twice
    assert hard["requests.nvidia.com/gpu"] == "12"


def test_what_answers_goes_before_downloads_and_backups(deploy: Deploy) -> None:
    found = deploy({**GPUS, **NIGHTLY}, secrets=KEY)
    template = found["backup-cron"].inputs["spec"]["jobTemplate"]["spec"]["template"]
    classes = {name: pod["priorityClassName"] for name, pod in found.pods.items()}

    assert template["spec"]["priorityClassName"] == "stackyard-dev-background"
    for name, held in classes.items():
        job = "-download-" in name
        assert held == f"stackyard-dev-{'background' if job else 'asking'}", name
    asking, background = (found[f"priority-{each}"].inputs for each in ("asking", "background"))
    assert asking["value"] > 0 > background["value"] >= -10
    assert background["preemptionPolicy"] == "Never"


def test_only_on_a_cluster_of_our_own_a_pod_is_ended_for_another(deploy: Deploy) -> None:
    shared, own = deploy(GPUS, secrets=KEY), deploy()

    assert shared["priority-asking"].inputs["preemptionPolicy"] == "Never"
    assert own["priority-asking"].inputs["preemptionPolicy"] == "PreemptLowerPriority"


def test_two_stacks_have_classes_of_their_own(deploy: Deploy) -> None:
    names = [
        each.inputs["metadata"]["name"]
        for stack in ("dev", "second")
        for each in deploy(stack=stack).of("PriorityClass")
    ]

    assert len(set(names)) == 4


@pytest.mark.parametrize(
    "settings", [NAMESPACES, {"policy": {"quota": False, "priorities": False}}]
)
def test_who_has_namespaces_only_or_says_no_gets_neither(
    deploy: Deploy, settings: dict[str, object]
) -> None:
    found = deploy(settings)

    assert found.of("ResourceQuota") + found.of("LimitRange") + found.of("PriorityClass") == []
    assert "priorityClassName" not in found.pods["rag"]


def test_who_has_namespaces_only_cannot_ask_for_priorities(deploy: Deploy) -> None:
    told = refusal(deploy, {**NAMESPACES, "policy": {"priorities": True, "quota": True}})

    assert told.startswith("1 problem(s)")
    assert "stackyard:policy.priorities: is true; cluster.scope 'namespace' may not make" in told
