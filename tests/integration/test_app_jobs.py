"""Jobs over real HTTP: followed, cancelled, resumed, and free where nothing has changed."""

import json
import random
import signal
import time

import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.files import pdf
from tests.app.process import AppProcess, until
from tests.fakes.nim import FakeNim
from tests.integration.conftest import Maker
from tests.pipelines.office import zipped

pytestmark = pytest.mark.integration


def embedded(nim: FakeNim) -> int:
    """Return how many passages were embedded until now."""
    bodies = [request.body for request in nim.posts("/embeddings")]
    inputs = [body["input"] for body in bodies if body.get("input_type") == "passage"]
    return sum(len(texts) for texts in inputs if isinstance(texts, list))


def test_a_job_is_followed_to_its_end(app: AppProcess) -> None:
    job = app.upload(("event.txt", b"The bridge of Oz is made of glass.")).json()["jobs"][0]

    with app.client() as client, client.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        kind = stream.headers["content-type"]
        seen = [
            json.loads(line.removeprefix("data: "))
            for line in stream.iter_lines()
            if line.startswith("data: ")
        ]

    assert kind.startswith("text/event-stream")
    assert seen[-1]["status"] == "done"
    assert {each["id"] for each in seen} == {job["id"]}
    with app.client() as client:
        assert client.get(f"/v1/jobs/{'0' * 32}/events").status_code == 404


def test_a_running_job_is_cancelled_and_what_it_wrote_taken_back(
    app: AppProcess, qdrant: FakeQdrant
) -> None:
    qdrant.slow_writes.clear()
    qdrant.writing.clear()
    job = app.upload(("stopped.txt", b"The tower of Oz is made of tin.")).json()["jobs"][0]
    assert qdrant.writing.wait(20)

    with app.client() as client:
        answer = client.delete(f"/v1/jobs/{job['id']}")
        qdrant.slow_writes.set()
        closed = app.job(job["id"])
        again = client.delete(f"/v1/jobs/{job['id']}")

    assert answer.status_code == 200
    assert (closed["status"], closed["reason"]) == ("cancelled", "it was cancelled")
    assert again.status_code == 200
    assert until(lambda: qdrant.chunks("documents", "stopped.txt") == 0)
    assert app.indexed("stopped.txt", b"The tower of Oz is made of tin.")["status"] == "done"


def test_a_cancelled_new_version_leaves_the_old_one_answering(
    app: AppProcess, qdrant: FakeQdrant
) -> None:
    app.indexed("moon.txt", b"The moon of Oz is called Luna.")
    qdrant.slow_writes.clear()
    qdrant.writing.clear()
    job = app.upload(("moon.txt", b"The moon of Oz is called Selene.")).json()["jobs"][0]
    assert qdrant.writing.wait(20)

    with app.client() as client:
        client.delete(f"/v1/jobs/{job['id']}")
        qdrant.slow_writes.set()
    app.job(job["id"])
    answer = str(app.ask("What is the moon of Oz called?")["answer"])

    assert "Luna" in answer
    assert qdrant.chunks("documents", "moon.txt") == 1


def test_a_closed_job_cannot_be_cancelled(app: AppProcess) -> None:
    job = app.indexed("shut.txt", b"The gate of Oz is shut.")

    with app.client() as client:
        answer = client.delete(f"/v1/jobs/{job['id']}")

    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:stackyard:problem:not-cancellable",
    )


def test_what_has_not_changed_costs_no_embedding(app: AppProcess, nim: FakeNim) -> None:
    pages = [f"Page {number} of the chronicle speaks of its king." for number in range(1, 9)]
    app.indexed("chronicle.pdf", pdf(pages))
    first = embedded(nim)
    app.indexed("chronicle.pdf", pdf(pages))
    same = embedded(nim)
    pages[3] = "This page was written anew and speaks of the queen."
    app.indexed("chronicle.pdf", pdf(pages))

    assert same == first
    assert embedded(nim) == first + 1


def test_an_archive_tells_what_became_of_each_file(app: AppProcess) -> None:
    inside: dict[str, str | bytes] = {
        "laws/tax.pdf": pdf(["The tax in Borogrove is nine coins."]),
        "laws/cut.pdf": pdf(["x"])[:100],
    }

    job = app.indexed("laws.zip", zipped(inside))
    with app.client() as client:
        text = client.get(f"/v1/documents/{job['document_id']}/text").json()

    assert (job["status"], job["chunks"]) == ("done", 1)
    assert job["files"] == [
        {"name": "laws/tax.pdf", "pages": 1, "reason": None},
        {"name": "laws/cut.pdf", "pages": 0, "reason": "the PDF is cut: its end is missing"},
    ]
    assert str(job["reason"]).startswith("1 of 2 files refused: laws/cut.pdf")
    assert text["part"] == "laws/tax.pdf"
    assert "nine coins" in str(app.ask("What is the tax in Borogrove?")["answer"])


def test_another_dimension_is_refused_at_the_start_with_both_sizes(
    make_app: Maker, qdrant: FakeQdrant
) -> None:
    app = make_app()
    app.indexed("one.txt", b"The lake of Narnia is called Glasswater.")
    app.stop()
    app.environment["RAG_EMBEDDING_DIMENSION"] = "768"

    with pytest.raises(AssertionError) as caught:
        app.start()

    assert "RAG_EMBEDDING_DIMENSION is 768" in str(caught.value)
    assert "collection 'documents' holds vectors of 384 numbers" in str(caught.value)
    assert app.stop() == 2


def test_an_app_that_is_killed_again_and_again_loses_and_doubles_nothing(
    make_app: Maker, qdrant: FakeQdrant
) -> None:
    chance = random.Random(5)
    app = make_app()
    files = [
        (f"book-{number}.pdf", pdf([f"Page {page} of book {number}." for page in range(1, 6)]))
        for number in range(20)
    ]
    jobs = app.upload(*files, collection="killed").json()["jobs"]
    for _ in range(3):
        time.sleep(chance.uniform(0.0, 0.4))
        app.stop(signal.SIGKILL)
        app.start()

    closed = [app.job(job["id"]) for job in jobs]

    assert {job["status"] for job in closed} == {"done"}
    assert [qdrant.chunks("killed", name) for name, _ in files] == [5] * 20
