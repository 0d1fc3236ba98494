"""Helpers for bulk loads: none unless a stack asks, and then a template that never fires."""

from tests.infra.conftest import Deploy

BULK = {"app": {"bulkWorkers": 3}}


def test_a_stack_has_no_helpers_by_itself(deploy: Deploy) -> None:
    assert deploy().of("CronJob") == []


def test_the_template_makes_an_indexed_job_beside_the_app_on_its_volume(deploy: Deploy) -> None:
    found = deploy(BULK)

    cron = found["rag-bulk"].inputs["spec"]
    job = cron["jobTemplate"]["spec"]
    pod, app = job["template"]["spec"], found.pods["rag"]
    (container,), (served,) = pod["containers"], app["containers"]
    assert cron["suspend"] is True
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 3, 3)
    assert container["command"] == ["python3", "-m", "app.worker"]
    for part in ("image", "env", "volumeMounts", "securityContext"):
        assert container[part] == served[part]
    assert pod["volumes"] == app["volumes"]
    assert pod["affinity"] == app["affinity"]
    # else the Service would send questions to it
    labels = job["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "rag-bulk"
    selected = found["rag-service"].inputs["spec"]["selector"]
    assert not selected.items() <= labels.items()


def test_helpers_reach_the_vectors_and_the_embedding_model_and_nothing_else(
    deploy: Deploy,
) -> None:
    policies = {each.inputs["metadata"]["name"] for each in deploy(BULK).of("NetworkPolicy")}

    assert {name for name in policies if "bulk" in name} == {
        "rag-bulk-to-qdrant-egress",
        "rag-bulk-to-qdrant-ingress",
        "rag-bulk-to-embedding-egress",
        "rag-bulk-to-embedding-ingress",
    }


def test_a_hosted_embedding_model_is_the_only_way_out(deploy: Deploy) -> None:
    found = deploy(BULK | {"models": {"kind": "hosted"}}, secrets={"nvidiaApiKey": "k"})
    policies = {each.inputs["metadata"]["name"] for each in found.of("NetworkPolicy")}

    assert {name for name in policies if "bulk-to" in name} == {
        "rag-bulk-to-qdrant-egress",
        "rag-bulk-to-qdrant-ingress",
        "rag-bulk-to-hosted-embedding-egress",
    }
