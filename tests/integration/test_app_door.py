"""What a stranger, a vandal and a scraper get from a real `python -m app`."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import KEY, ROOT, AppProcess, until
from tests.fakes.nim import FakeNim
from tests.integration.conftest import Maker

pytestmark = pytest.mark.integration

QUESTION = "CANARY-QUESTION about the treasure?"
MIB = 2**20


def mebibytes(count: int) -> Iterator[bytes]:
    piece = b"x" * MIB
    for _ in range(count):
        yield piece


def memory_mib(app: AppProcess) -> int:
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/deploy_files"),
        ("POST", "/deploy-yaml"),
        ("POST", "/undeploy/query"),
        ("GET", "/draw/query"),
        ("GET", "/status"),
        ("GET", "/docs"),
        ("GET", "/redoc"),
        ("GET", "/traces"),
        ("POST", "/v1/files"),
        ("POST", "/indexing/run"),
        ("GET", "/query/executions"),
        ("GET", "/login"),  # with a provider for it only
        ("POST", "/logout"),
        ("GET", "/%71uery/../status"),
    ],
)
def test_hayhooks_other_routes_do_not_exist(app: AppProcess, method: str, path: str) -> None:
    with app.client() as client:
        response = client.request(method, path, json={"name": "pwn", "files": {}})

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", [None, "", "wrong", KEY[:-1], KEY + "x"])
def test_no_key_or_a_wrong_key_gets_a_401(app: AppProcess, key: str | None) -> None:
    with app.client(key) as client:
        for path in ("/v1/documents", "/v1/models", "/metrics", "/openapi.json"):
            response = client.get(path)
            assert (response.status_code, response.json()["status"]) == (401, 401)


def test_a_key_is_rotated_without_a_restart(make_app: Maker) -> None:
    app = make_app()

    app.keys_file.write_text("the-next-key-0123456789\n")

    with app.client() as old, app.client("the-next-key-0123456789") as new:
        assert old.get("/v1/models").status_code == 401
        assert new.get("/v1/models").status_code == 200


@pytest.mark.parametrize("path", ["/v1/documents", "/query/run"])
@pytest.mark.parametrize("chunked", [True, False])
def test_200_megabytes_are_refused_early_and_cleanly(
    app: AppProcess, path: str, chunked: bool
) -> None:
    before = memory_mib(app)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    if not chunked:
        headers["Content-Length"] = str(200 * MIB)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'

    def body() -> Iterator[bytes]:
        sent = 0
        yield head
        for piece in mebibytes(200):
            sent += len(piece)
            yield piece if sent < 200 * MIB else piece[: -len(head)]

    began = time.monotonic()
    with app.client() as client:
        response = client.post(path, content=body(), headers=headers)
    seconds = time.monotonic() - began

    assert response.status_code == 413, response.text
    assert response.json()["type"] == "urn:stackyard:problem:body-too-large"
    assert seconds < 15
    assert memory_mib(app) - before < 60
    assert list((app.directory / "data" / "uploads").iterdir()) == []
    with app.client() as client:
        assert client.get("/healthz").status_code == 200


def test_a_declared_giant_is_refused_before_a_byte_of_it_is_sent(app: AppProcess) -> None:
    address = urlsplit(app.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=5)
    connection.putrequest("POST", "/v1/documents")
    connection.putheader("Authorization", f"Bearer {KEY}")
    connection.putheader("Content-Length", str(200 * MIB))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()

    response = connection.getresponse()

    assert response.status == 413
    assert json.loads(response.read())["status"] == 413
    connection.close()


@pytest.mark.parametrize(
    ("path", "content", "kind", "status", "problem"),
    [
        ("/query/run", b"{", "application/json", 400, "malformed-body"),
        ("/query/run", b"[]", "application/json", 422, "invalid-request"),
        ("/query/run", b"\xff\xfe", "application/json", 400, "malformed-body"),
        ("/query/run", b'{"question": 7}', "application/json", 422, "invalid-request"),
        ("/query/run", b'{"question": "  "}', "application/json", 422, "invalid-request"),
        ("/query/run", b"[" * 90_000, "application/json", 400, "malformed-body"),
        ("/rag", b'{"x": 1}', "application/json", 422, "invalid-request"),
        ("/rag", b'{"query": "q", "collection": "no"}', "application/json", 404,
         "unknown-collection"),
        ("/rag", b'{"query": "q", "filters": {"document": []}}', "application/json", 422,
         "invalid-request"),
        ("/v1/chat/completions", b'{"messages": []}', "application/json", 422, "invalid-request"),
        ("/v1/documents", b"text", "text/plain", 400, "malformed-body"),
        ("/v1/documents", b"--b\r\n", "multipart/form-data; boundary=b", 400, "malformed-body"),
        ("/v1/documents", b"--b--\r\n", "multipart/form-data; boundary=b", 422,
         "invalid-request"),
    ],
)  # fmt: skip
def test_a_bad_body_gets_a_problem(
    app: AppProcess, path: str, content: bytes, kind: str, status: int, problem: str
) -> None:
    with app.client() as client:
        response = client.post(path, content=content, headers={"Content-Type": kind})

    assert (response.status_code, response.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), response.text
    assert response.json()["type"] == f"urn:stackyard:problem:{problem}"


def test_unknown_documents_jobs_and_pages_are_problems(app: AppProcess) -> None:
    nobody = "0" * 32
    job = app.indexed("page.txt", b"One page only.")

    with app.client() as client:
        responses = [
            client.get(f"/v1/documents/{nobody}"),
            client.delete(f"/v1/documents/{nobody}"),
            client.get(f"/v1/jobs/{nobody}"),
            client.get(f"/v1/documents/{job['document_id']}/text", params={"page": 2}),
        ]
        wrong_method = client.put("/v1/documents")

    assert [each.json()["type"] for each in responses] == ["urn:stackyard:problem:not-found"] * 4
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "DELETE, GET, POST")


def test_a_flood_of_bad_requests_leaves_the_app_alive(app: AppProcess) -> None:
    address = urlsplit(app.url)
    for garbage in (b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"POST /rag HTTP/1.1\r\n" * 50):
        with socket.create_connection((str(address.hostname), address.port or 0), 5) as raw:
            raw.sendall(garbage)
    with app.client() as client:
        assert client.get("/healthz").json() == {"alive": True}


def test_readyz_names_the_missing_back_end(make_app: Maker, nim: FakeNim) -> None:
    with FakeQdrant() as own:
        own.status = 503
        environment = {"RAG_RANKING_URL": "http://127.0.0.1:9/v1", "RAG_QDRANT_URL": own.url}
        app = make_app(environment=environment)

        with app.client(None) as client:
            response = client.get("/readyz")
            own.status = 200

            def missing() -> list[str] | None:
                names = [each["name"] for each in client.get("/readyz").json()["missing"]]
                return names if len(names) == 1 else None

            later = until(missing, 10)

        assert response.status_code == 503
        assert response.json() == {
            "ready": False,
            "missing": [
                {"name": "ranking", "reason": "cannot be reached"},
                {"name": "qdrant", "reason": "answers 503"},
            ],
        }
        assert later == ["ranking"]


def test_openapi_describes_what_is_served_and_nothing_else(app: AppProcess) -> None:
    with app.client() as client:
        schema = client.get("/openapi.json").json()

    assert set(schema["paths"]) == {
        "/healthz", "/readyz", "/metrics", "/query/run", "/rag", "/v1/search", "/v1/models",
        "/v1/models/{model}", "/v1/chat/completions", "/v1/documents",
        "/v1/documents/{document_id}", "/v1/documents/{document_id}/text",
        "/v1/documents/{document_id}/readers", "/v1/documents/{document_id}/quarantine",
        "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events",
        "/v1/me", "/v1/keys", "/v1/keys/{key_id}", "/v1/backup",
        "/v1/responses", "/mcp", "/pipelines/{name}/run",
    }  # fmt: skip
    assert schema["security"] == [{"key": []}]


def test_metrics_have_a_port_of_their_own_without_a_key(make_app: Maker) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = make_app(environment={"RAG_METRICS_PORT": str(port)})
    app.indexed("m.txt", b"The metre is long.")

    page = httpx.get(f"http://127.0.0.1:{port}/metrics")
    other = httpx.get(f"http://127.0.0.1:{port}/v1/documents")

    assert 'rag_jobs{status="done"} 1' in page.text
    assert 'rag_requests_total{method="POST",route="/v1/documents",status="202"} 1' in page.text
    assert other.status_code == 404


def test_nothing_secret_is_ever_logged(make_app: Maker, nim: FakeNim, qdrant: FakeQdrant) -> None:
    app = make_app()
    with app.client() as client:
        app.indexed("CANARY-NAME.txt", b"The CANARY-CONTENT treasure is buried.")
        app.indexed("CANARY-NAME.pdf", b"%PDF-1.4 CANARY-CONTENT")
        app.ask(QUESTION)
        nim.fail_next(500, times=6)
        client.post("/query/run", json={"question": QUESTION})
        nim.answer_next_with({"CANARY-ANSWER": 1}, path="/embeddings")
        client.post("/query/run", json={"question": QUESTION, "stream": True})
        nim._faults.clear()
        qdrant.status = 500
        client.post("/rag", json={"query": QUESTION})
        qdrant.status = 200
        client.post("/query/run", json={"question": [QUESTION]})
        client.get("/query/run", params={"question": QUESTION})
        client.post("/v1/chat/completions", content=QUESTION.encode())
    with app.client("CANARY-WRONG-KEY") as client:
        client.get("/v1/models")
    code = app.stop()

    output = "".join(app.output)
    assert code == 0
    assert "CANARY" not in output
    assert "SECRET-BODY" not in output
    lines = [json.loads(line) for line in app.output]
    routes = {line["route"] for line in lines if line["event"] == "request"}
    assert {"/query/run", "/rag", "/v1/documents", "/v1/chat/completions"} <= routes
    assert all(line["seconds"] >= 0 for line in lines if line["event"] == "request")


def start_with(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_environment_ends_in_one_message() -> None:
    done = start_with({"RAG_LLM_URL": "http://llm:8000"})

    assert done.returncode == 2
    assert "RAG_LLM_URL: is 'http://llm:8000'; it must end in /v1" in done.stderr
    assert "RAG_QDRANT_URL: is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(app: AppProcess) -> None:
    port = str(urlsplit(app.url).port)
    names = ("RAG_LLM_URL", "RAG_EMBEDDING_URL", "RAG_RANKING_URL")
    models = ("RAG_LLM_MODEL", "RAG_EMBEDDING_MODEL", "RAG_RANKING_MODEL")

    done = start_with(
        {
            **dict.fromkeys(names, app.nim.url),
            **dict.fromkeys(models, "m"),
            "RAG_EMBEDDING_DIMENSION": "384",
            "RAG_QDRANT_URL": app.qdrant.url,
            "RAG_ANONYMOUS": "true",
            "RAG_PORT": port,
        }
    )

    assert done.returncode == 2
    assert f"RAG_PORT is {port}: Address already in use" in done.stderr
    assert "hint:" in done.stderr


def test_a_data_directory_that_cannot_be_used_is_named(app: AppProcess, tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a directory")
    broken = AppProcess(tmp_path, app.nim, app.qdrant, environment={"RAG_DATA_DIR": str(taken)})

    with pytest.raises(AssertionError):
        broken.start()

    assert broken.stop() == 2
    assert f"RAG_DATA_DIR is {str(taken)!r}, which cannot be used" in "".join(broken.output)
