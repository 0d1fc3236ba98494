"""Every question's spans reach a collector, and nothing that was said does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
QUESTION = "What is the capital of Borduria?"
COMPONENTS = {"embedder", "retriever", "ranker", "gate", "prompt", "llm"}


@dataclass
class Collector:
    """What an OpenTelemetry collector takes at /v1/traces."""

    url: str = ""
    received: list[bytes] = field(default_factory=list)
    status: int = 200

    @property
    def spans(self) -> list[Span]:
        found = [ExportTraceServiceRequest.FromString(each) for each in self.received]
        return [
            span
            for request in found
            for of_resource in request.resource_spans
            for scope in of_resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = decompress(body)
            made.received.append(body)
            self.send_response(made.status if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    yield made
    server.shutdown()
    server.server_close()


@contextmanager
def app_of(folder: Path, traces_url: str) -> Iterator[tuple[AppProcess, FakeNim]]:
    with FakeNim() as nim, FakeQdrant() as qdrant:
        app = AppProcess(folder, nim, qdrant, environment={"RAG_TRACES_URL": traces_url}).start()
        try:
            app.indexed("Borduria.txt", b"The capital of Borduria is Szohod.")
            yield app, nim
        finally:
            app.stop()


def ask(app: AppProcess, **more: object) -> httpx.Response:
    # not sampled, says the caller, and adds what it asked
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-00", "tracestate": "said=capital"}
    with app.client() as client:
        return client.post("/query/run", json={"question": QUESTION, **more}, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_a_span_for_each_component_in_its_callers_trace(
    tmp_path: Path, collector: Collector, stream: bool
) -> None:
    with app_of(tmp_path, collector.url) as (app, _):
        assert ask(app, stream=stream).status_code == 200

    spans = {span.name: span for span in collector.spans if span.trace_id.hex() == TRACE}
    request, pipeline = spans["POST /query/run"], spans["haystack.pipeline.run"]
    of_pipeline = {n for n, each in spans.items() if each.parent_span_id == pipeline.span_id}
    assert request.parent_span_id.hex() == CALLER
    assert pipeline.parent_span_id == request.span_id
    assert of_pipeline == COMPONENTS
    assert len(spans) == len(COMPONENTS) + 2
    assert attributes(request)["http.response.status_code"] == 200
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans.values())
    said = b"".join(collector.received)
    assert not any(word in said for word in (b"capital", b"Szohod", b"Borduria"))


def test_a_failure_is_told_by_its_type_alone(tmp_path: Path, collector: Collector) -> None:
    with app_of(tmp_path, collector.url) as (app, nim):
        nim.fail_next(400, path="/embeddings")
        assert ask(app).status_code == 502

    spans = {span.name: span for span in collector.spans if span.trace_id.hex() == TRACE}
    failed = {n for n, each in spans.items() if each.status.code == Status.STATUS_CODE_ERROR}
    assert failed >= {"embedder", "haystack.pipeline.run", "POST /query/run"}
    assert attributes(spans["POST /query/run"])["http.response.status_code"] == 502
    assert spans["embedder"].status.message == "StageError"


def test_a_collector_that_is_away_takes_nothing_from_answers(tmp_path: Path) -> None:
    with app_of(tmp_path, "http://127.0.0.1:9/v1/traces") as (app, _):
        reply = ask(app)

    assert reply.status_code == 200
    assert "Szohod" in reply.json()["answer"]


def attributes(span: Span) -> dict[str, object]:
    return {each.key: each.value.int_value or each.value.string_value for each in span.attributes}
