"""The whole life of a stack on a real Kubernetes, in the order of the numbers."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.asking import asking
from tests.e2e.yard import Yard

pytestmark = pytest.mark.e2e

QUESTIONS: list[dict[str, Any]] = [
    asked
    for asked in json.loads(Path(__file__).with_name("questions.json").read_text())
    if asked.get("expect")
][:10]
WANTED_RIGHT = 7  # of ten, with a language model of 135 million parameters

APP = "app.kubernetes.io/name=rag"
UNRELATED = {
    "bakery.md": "# The bakery\n\nRye bread rests for nine hours. The oven is fired at four.",
    "harbour.txt": "The master opens the lock at high tide. A berth costs 31 crowns a night.",
}


def finished(service: httpx.Client, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Wait until every job has ended and return them."""
    ended = []
    until = time.monotonic() + 300
    for job in jobs:
        while True:
            now = service.get(f"/v1/jobs/{job['id']}").raise_for_status().json()
            if now["status"] not in ("queued", "running"):
                break
            assert time.monotonic() < until, now
            time.sleep(0.3)
        ended.append(now)
    return ended


def upload(service: httpx.Client, name: str, content: bytes) -> dict[str, Any]:
    answer = service.post("/v1/documents", files={"file": (name, content)})
    (job,) = finished(service, answer.raise_for_status().json()["jobs"])
    return job


def ask(service: httpx.Client, question: str) -> dict[str, Any]:
    answer: dict[str, Any] = (
        service.post("/query/run", json={"question": question}).raise_for_status().json()
    )
    return answer


def documents(service: httpx.Client) -> dict[str, str]:
    """Return the id of each document by its name."""
    listed = service.get("/v1/documents").raise_for_status().json()["documents"]
    return {document["name"]: document["id"] for document in listed}


def ready(service: httpx.Client, seconds: float = 240) -> None:
    """Wait until the service says that all its back ends answer."""
    until = time.monotonic() + seconds
    said = "nothing"
    while time.monotonic() < until:
        try:
            answer = service.get("/readyz", timeout=10)
            said = answer.text
            if answer.status_code == httpx.codes.OK:
                return
        except httpx.TransportError as error:
            said = repr(error)
        time.sleep(1)
    pytest.fail(f"not ready after {seconds:.0f} s: {said}")


def changes(yard: Yard) -> dict[str, str]:
    """Return what a preview would do, by resource name, unchanged ones left out."""
    preview = yard.pulumi("preview", "--json", "--non-interactive")
    steps = json.loads(preview.stdout)["steps"]
    return {s["urn"].rsplit("::", 1)[1]: s["op"] for s in steps if s["op"] != "same"}


def test_10_up_again_finds_everything_and_answers_with_a_citation(yard: Yard) -> None:
    shown = yard.stackyard("up", "--json").stdout
    report = json.loads(shown)

    assert report["answer"]["answerable"] is True
    assert report["answer"]["citations"][0]["quote"]
    assert report["url"] == yard.outputs()["url"]


def test_11_a_second_up_changes_nothing(yard: Yard) -> None:
    yard.pulumi("preview", "--expect-no-changes", "--non-interactive")


def test_12_no_request_passes_without_a_key(service: httpx.Client) -> None:
    for method, path in (("POST", "/query/run"), ("GET", "/v1/documents"), ("GET", "/v1/models")):
        bare = httpx.request(method, service.base_url.join(path), json={})
        assert bare.status_code == httpx.codes.UNAUTHORIZED, path


def test_13_no_secret_lies_in_plain_in_the_state(yard: Yard) -> None:
    key = yard.outputs()["apiKey"]

    exported = yard.pulumi("stack", "export").stdout

    assert key not in exported
    assert "client-key-data" not in exported


def test_14_every_pod_of_ours_is_restricted_and_pulled_by_digest(yard: Yard) -> None:
    namespaces = [f"rag-{yard.stack}", f"models-{yard.stack}"]

    for namespace in namespaces:
        pods = yard.objects("pods", "-n", namespace)
        assert pods
        for pod in pods:
            spec = pod["spec"]
            assert spec["enableServiceLinks"] is False
            assert spec["automountServiceAccountToken"] is False
            for container in spec["containers"]:
                assert "@sha256:" in container["image"]
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
        (found,) = yard.objects("namespaces", "-l", f"kubernetes.io/metadata.name={namespace}")
        assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_20_a_real_pdf_answers_at_least_seven_of_ten_questions(
    service: httpx.Client, manual: Path
) -> None:
    for name, text in UNRELATED.items():
        assert upload(service, name, text.encode())["status"] == "done"
    job = upload(service, manual.name, manual.read_bytes())
    assert job["status"] == "done", job

    right, wrong = 0, []
    for asked in QUESTIONS:
        answer = ask(service, asked["question"])
        text = answer["answer"].lower()
        cited = [c for c in answer["citations"] if c["document"] == manual.name]
        found = any(wanted in text for wanted in asked["expect"])
        if found and any(c["page"] in asked["pages"] for c in cited):
            right += 1
        else:
            wrong.append((asked["question"], answer["answer"], [c["page"] for c in cited]))
        for citation in answer["citations"]:
            quoted_on_its_page(service, citation)

    assert right >= WANTED_RIGHT, wrong


def quoted_on_its_page(service: httpx.Client, citation: dict[str, Any]) -> None:
    path = f"/v1/documents/{citation['document_id']}/text"
    page = service.get(path, params={"page": citation["page"]}).raise_for_status().json()["text"]
    start, end = citation["span"]
    assert page[start:end] == citation["quote"]


def test_21_the_same_file_again_makes_no_duplicates(service: httpx.Client) -> None:
    before = documents(service)
    name, text = next(iter(UNRELATED.items()))

    job = upload(service, name, text.encode())

    assert job["document_id"] == before[name]
    assert documents(service) == before


def test_22_an_unreadable_file_is_refused_with_its_reason(
    service: httpx.Client, manual: Path
) -> None:
    before = documents(service)

    cut = upload(service, "cut.pdf", manual.read_bytes()[:4000])

    assert cut["status"] == "refused"
    assert cut["reason"]
    assert documents(service).keys() - before.keys() <= {"cut.pdf"}


def test_30_a_deleted_document_is_no_longer_cited(service: httpx.Client) -> None:
    question = "How much does a berth cost a night?"
    assert [c["document"] for c in ask(service, question)["citations"]][:1] == ["harbour.txt"]

    service.delete(f"/v1/documents/{documents(service)['harbour.txt']}").raise_for_status()

    assert "harbour.txt" not in [c["document"] for c in ask(service, question)["citations"]]
    assert "harbour.txt" not in documents(service)


def test_40_killed_pods_come_back_with_their_data(yard: Yard, service: httpx.Client) -> None:
    before = documents(service)

    for namespace in (f"rag-{yard.stack}", f"models-{yard.stack}"):
        yard.kubectl("delete", "pods", "-n", namespace, "--all", "--grace-period=0", "--force")
    ready(service)

    assert documents(service) == before
    answer = ask(service, "How long does rye bread rest?")
    assert answer["citations"][0]["document"] == "bakery.md"


def test_50_a_changed_setting_changes_only_its_resources_and_fails_no_request(
    yard: Yard, service: httpx.Client
) -> None:
    (before,) = yard.objects("pods", "-n", f"rag-{yard.stack}", "-l", APP)
    yard.pulumi("config", "set", "--path", "stackyard:app.maxUploadMb", "50")

    planned = changes(yard)

    assert planned, "the setting changes nothing"
    assert all(name.startswith("rag") for name in planned), planned
    with asking(service, "How long does rye bread rest?") as asked:
        yard.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
        # the pod before is told to end now, and its callers have to go over
        gone = f"pod/{before['metadata']['name']}"
        yard.kubectl("wait", "-n", f"rag-{yard.stack}", "--for=delete", gone, "--timeout=120s")
    assert asked.failed == []
    assert asked.answered > 20
    assert documents(service)


def test_55_a_backup_by_the_clock_lies_whole_on_its_volume(yard: Yard) -> None:
    namespace = f"rag-{yard.stack}"
    yard.pulumi("config", "set", "--path", "stackyard:backup.schedule", "0 3 * * *")
    planned = changes(yard)
    assert planned
    # and the quota of what has one pod more now
    assert all("backup" in name or name.endswith("quota-total") for name in planned), planned
    yard.pulumi("up", "--yes", "--skip-preview", "--non-interactive")

    yard.kubectl("create", "job", "-n", namespace, "--from=cronjob/backup", "by-hand")
    complete = ("--for=condition=complete", "job/by-hand", "--timeout=240s")
    yard.kubectl("wait", "-n", namespace, *complete)

    said = yard.kubectl("logs", "-n", namespace, "job/by-hand")
    assert re.search(r"stackyard-\d{8}T\d{9}Z-[0-9a-f]{8}\.tar \d+ bytes, removed none", said), said


def test_60_drift_is_seen_and_repaired(yard: Yard, service: httpx.Client) -> None:
    namespace = f"rag-{yard.stack}"
    yard.kubectl("scale", "-n", namespace, "deployment/rag", "--replicas=0")

    yard.pulumi("refresh", "--yes", "--skip-preview", "--non-interactive")
    planned = changes(yard)
    yard.pulumi("up", "--yes", "--skip-preview", "--non-interactive")

    assert list(planned.values()) == ["update"], planned
    (deployment,) = [
        d for d in yard.objects("deployments", "-n", namespace) if d["metadata"]["name"] == "rag"
    ]
    assert deployment["spec"]["replicas"] == 1
    ready(service)


def test_70_down_keeps_the_data_and_up_brings_it_back(yard: Yard) -> None:
    with yard.client() as service:
        before = documents(service)
        url = service.base_url.join("/healthz")

    yard.stackyard("down")
    with pytest.raises(httpx.TransportError):
        httpx.get(url, timeout=5)
    yard.stackyard("up")

    with yard.client() as service:
        assert documents(service) == before


def test_80_the_acceptance_journey_passes_and_reports(yard: Yard, tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    yard.stackyard("accept", "--report", str(report))
    from_here = json.loads(yard.stackyard("accept", "--from-here", "--json").stdout)

    as_job = json.loads(report.read_text())
    assert (as_job["url"], from_here["url"]) == ("http://rag:1416", yard.outputs()["url"])
    for found in (as_job, from_here):
        assert all(step["passed"] for step in found["steps"]), found
        assert found["inventory"]
