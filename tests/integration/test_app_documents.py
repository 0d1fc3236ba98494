"""Documents over real HTTP against a real `python -m app`, with fakes for models and Qdrant."""

import signal
import socket
from urllib.parse import urlsplit

import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.files import html, pdf, word
from tests.app.process import KEY, AppProcess, until
from tests.fakes.nim import FakeNim
from tests.integration.conftest import Maker

pytestmark = pytest.mark.integration

SENTENCE = "The capital of {place} is {city}."


def quotes(answer: dict[str, object]) -> list[tuple[str, int, str]]:
    citations = answer["citations"]
    assert isinstance(citations, list)
    return [(each["document"], each["page"], each["quote"]) for each in citations]


@pytest.mark.parametrize(
    ("name", "content", "place", "city", "page"),
    [
        (
            "atlas.pdf",
            pdf(["Nothing of note is written here.", "The capital of Borduria is Szohod."]),
            "Borduria",
            "Szohod",
            2,
        ),
        ("a.docx", word("The capital of Syldavia is Klow."), "Syldavia", "Klow", 1),
        ("b.html", html("The capital of Ruritania is Strelsau."), "Ruritania", "Strelsau", 1),
        ("c.md", b"# Places\n\nThe capital of Genovia is Pyrus.\n", "Genovia", "Pyrus", 1),
        ("d.txt", b"The capital of Zubrowka is Lutz.", "Zubrowka", "Lutz", 1),
    ],
)
def test_every_type_is_indexed_and_cited_with_its_page(
    app: AppProcess, name: str, content: bytes, place: str, city: str, page: int
) -> None:
    job = app.indexed(name, content)
    answer = app.ask(f"What is the capital of {place}?")

    assert job["status"] == "done", job["reason"]
    assert city in str(answer["answer"])
    document, cited, quote = quotes(answer)[0]
    assert (document, cited) == (name, page)
    with app.client() as client:
        text = client.get(f"/v1/documents/{job['document_id']}/text", params={"page": page}).json()
    citations = answer["citations"]
    assert isinstance(citations, list)
    start, end = citations[0]["span"]
    assert text["text"][start:end] == quote


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.pdf", pdf(["Some text."] * 3)[:300]),
        ("blank.pdf", pdf([""])),
        ("not.pdf", b"this is no pdf at all"),
        ("not.docx", b"PK\x03\x04 broken"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(
    app: AppProcess, name: str, content: bytes
) -> None:
    job = app.indexed(name, content)

    assert job["status"] == "refused"
    assert job["reason"]
    with app.client() as client:
        document = client.get(f"/v1/documents/{job['document_id']}").json()
        text = client.get(f"/v1/documents/{job['document_id']}/text")
    assert (document["status"], document["reason"]) == ("refused", job["reason"])
    assert (text.status_code, text.json()["type"]) == (409, "urn:stackyard:problem:not-indexed")


@pytest.mark.parametrize(
    ("name", "content", "status", "problem"),
    [
        ("empty.pdf", b"", 422, "empty-file"),
        ("tool.exe", b"MZ", 415, "unsupported-type"),
        ("..", b"text", 422, "invalid-file-name"),
    ],
)
def test_what_is_refused_at_the_door_leaves_nothing(
    app: AppProcess, name: str, content: bytes, status: int, problem: str
) -> None:
    response = app.upload(("good.txt", b"good"), (name, content))

    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:stackyard:problem:{problem}"
    assert list((app.directory / "data" / "uploads").iterdir()) == []
    with app.client() as client:
        names = [each["name"] for each in client.get("/v1/documents").json()["documents"]]
    assert "good.txt" not in names


def test_several_files_come_in_at_once_and_the_same_bytes_once(app: AppProcess) -> None:
    one, two = b"The moon is made of cheese.", b"The sun is made of butter."

    response = app.upload(("m.txt", one), ("s.txt", two), ("m2.txt", one), collection="sky")

    jobs = response.json()["jobs"]
    assert response.status_code == 202
    assert jobs[0]["id"] == jobs[2]["id"] != jobs[1]["id"]
    assert all(app.job(job["id"])["status"] == "done" for job in jobs)
    with app.client() as client:
        listed = client.get("/v1/documents", params={"collection": "sky"}).json()
        models = [each["id"] for each in client.get("/v1/models").json()["data"]]
    assert [each["name"] for each in listed["documents"]] == ["m.txt", "s.txt"]
    assert "sky" in models


def test_a_new_version_replaces_the_old_without_duplicates(
    app: AppProcess, qdrant: FakeQdrant
) -> None:
    app.indexed("king.txt", b"The king of Elbonia is called Umberto.")
    first = qdrant.chunks("documents", "king.txt")
    app.indexed("king.txt", b"The king of Elbonia is called Leopold.")
    same = app.indexed("king.txt", b"The king of Elbonia is called Leopold.")

    answer = str(app.ask("What is the king of Elbonia called?"))

    assert qdrant.chunks("documents", "king.txt") == first == 1
    assert same["status"] == "done"
    assert "Leopold" in answer
    assert "Umberto" not in answer


def test_a_refused_new_version_leaves_the_old_one_answering(app: AppProcess) -> None:
    app.indexed("law.pdf", pdf(["The speed limit in Elbonia is seven."]))
    job = app.indexed("law.pdf", b"%PDF-1.4 cut")

    assert job["status"] == "refused"
    assert "seven" in str(app.ask("What is the speed limit in Elbonia?")["answer"])


def test_a_deleted_document_is_gone_everywhere(app: AppProcess, qdrant: FakeQdrant) -> None:
    job = app.indexed("secret.txt", b"The password of Latveria is Doom.")
    before = app.ask("What is the password of Latveria?")

    with app.client() as client:
        deleted = client.delete(f"/v1/documents/{job['document_id']}")
        again = client.delete(f"/v1/documents/{job['document_id']}")
        after = app.ask("What is the password of Latveria?")

    assert "Doom" in str(before["answer"])
    assert (deleted.status_code, again.status_code) == (204, 404)
    assert "Doom" not in str(after)
    assert qdrant.chunks("documents", "secret.txt") == 0
    data = app.directory / "data"
    assert not (data / "pages" / str(job["document_id"])).exists()
    assert b"Doom" not in b"".join(
        path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and "journal" not in path.name
    )


def test_a_document_is_deleted_while_its_job_runs(app: AppProcess, qdrant: FakeQdrant) -> None:
    qdrant.slow_writes.clear()
    qdrant.writing.clear()
    response = app.upload(("running.txt", b"The river of Oz is called Winkie."))
    job = response.json()["jobs"][0]
    assert qdrant.writing.wait(20)

    with app.client() as client:
        listed = client.get(f"/v1/documents/{job['document_id']}")
        deletion = client.build_request("DELETE", f"/v1/documents/{job['document_id']}")
        qdrant.slow_writes.set()
        deleted = client.send(deletion)

    assert listed.status_code == 200
    assert deleted.status_code == 204
    assert qdrant.chunks("documents", "running.txt") == 0
    assert app.job(job["id"])["status"] in ("done", "cancelled")


def test_a_job_waits_for_a_back_end_that_is_away(
    app: AppProcess, nim: FakeNim, qdrant: FakeQdrant
) -> None:
    nim.fail_next(503, times=4, path="/embeddings")

    job = app.indexed("later.txt", b"The bird of Oz is a raven.")

    assert (job["status"], job["attempts"]) == ("done", 2)


def test_a_killed_app_takes_its_jobs_up_again(make_app: Maker, qdrant: FakeQdrant) -> None:
    app = make_app()
    qdrant.slow_writes.clear()
    qdrant.writing.clear()
    first = app.upload(("one.txt", b"The lake of Narnia is called Glasswater.")).json()["jobs"][0]
    second = app.upload(("two.txt", b"The lamp of Narnia is made of iron.")).json()["jobs"][0]
    assert qdrant.writing.wait(20)
    (app.directory / "data" / "uploads" / "half.part").write_bytes(b"half")

    app.stop(signal.SIGKILL)
    qdrant.slow_writes.set()
    app.start()

    jobs = [app.job(first["id"]), app.job(second["id"])]
    assert [job["status"] for job in jobs] == ["done", "done"]
    assert jobs[0]["attempts"] == 2
    assert qdrant.chunks("documents", "one.txt") == 1
    assert qdrant.chunks("documents", "two.txt") == 1
    assert "Glasswater" in str(app.ask("What is the lake of Narnia called?")["answer"])
    assert list((app.directory / "data" / "uploads").iterdir()) == []


def test_a_full_disk_is_told_and_nothing_half_is_left(make_app: Maker) -> None:
    app = make_app(file_size_limit=3 * 2**20)

    response = app.upload(("big.txt", b"word " * 2**20))

    assert (response.status_code, response.json()["type"]) == (
        507,
        "urn:stackyard:problem:insufficient-storage",
    )
    assert list((app.directory / "data" / "uploads").iterdir()) == []
    assert app.indexed("small.txt", b"The hill is green.")["status"] == "done"


def test_space_is_kept_free(make_app: Maker) -> None:
    app = make_app(environment={"RAG_MIN_FREE_MB": str(2**30)})

    assert app.upload(("small.txt", b"text")).status_code == 507


def test_the_deletion_of_a_document_outlives_a_missing_store(
    make_app: Maker, qdrant: FakeQdrant
) -> None:
    app = make_app()
    job = app.indexed("gone.txt", b"The ghost of Hogwarts is called Nick.")
    qdrant.status = 503
    try:
        app.stop(signal.SIGKILL)
        app.start()
        with app.client(timeout=1.0) as client, pytest.raises(Exception, match="timed out"):
            client.delete(f"/v1/documents/{job['document_id']}")
        with app.client() as client:
            hidden = client.get(f"/v1/documents/{job['document_id']}").status_code
    finally:
        qdrant.status = 200

    assert hidden == 404
    assert until(lambda: qdrant.chunks("documents", "gone.txt") == 0, 40)


def test_an_upload_that_breaks_off_leaves_nothing(app: AppProcess) -> None:
    address = urlsplit(app.url)
    uploads = app.directory / "data" / "uploads"
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="half.txt"\r\n\r\nhalf'
    head = (
        f"POST /v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), address.port or 0), 5) as raw:
        raw.sendall(head.encode() + part)
        until(lambda: list(uploads.iterdir()))

    until(lambda: not list(uploads.iterdir()))
    with app.client() as client:
        names = [each["name"] for each in client.get("/v1/documents").json()["documents"]]
    assert "half.txt" not in names
    assert not any('"unhandled"' in line for line in app.output)
