"""The guard: what is refused, in which order, and that the app behind never sees it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.access.audit import Audit
from app.access.door import Door
from app.access.key_store import KeyStore
from app.guard import Guard, Limits
from app.keys import KeyRing
from app.metrics import Metrics
from tests.app.asgi import Heard, call, scope

KEY = {"Authorization": "Bearer right-key"}
ASK = {**KEY, "transfer-encoding": "chunked"}


class App:
    """Reads the body and says how long it was; can fail, wait or stream."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.error: Exception | None = None
        self.wait = asyncio.Event()
        self.wait.set()
        self.cancelled = asyncio.Event()
        self.stream = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        request = Request(scope, receive)
        try:
            body = await request.body()
            await self.wait.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error is not None:
            raise self.error
        if self.stream:
            response = StreamingResponse(self._parts())
            await response(scope, receive, send)
        else:
            await JSONResponse({"bytes": len(body)})(scope, receive, send)

    async def _parts(self) -> AsyncIterator[bytes]:
        yield b"first"
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


@pytest.fixture
def behind() -> App:
    return App()


@pytest.fixture
def guard(behind: App, tmp_path: Path) -> Guard:
    keys = tmp_path / "keys"
    keys.write_text("right-key\nother-key\n")
    limits = Limits(
        body_bytes=100, upload_bytes=1000, concurrency=2, request_seconds=0.5, upload_seconds=0.5
    )
    return Guard(behind, door=Door(ring=KeyRing(keys)), limits=limits, metrics=Metrics())


def ask(guard: Guard, *args: object, **kwargs: object) -> Heard:
    return asyncio.run(call(guard, *args, **kwargs))  # type: ignore[arg-type]


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
        ("GET", "/dashboard"),
        ("POST", "/v1/files"),
        ("POST", "/files"),
        ("POST", "/chat/completions"),
        ("POST", "/indexing/run"),
        ("GET", "/query/executions"),
        ("POST", "/query/run-durable"),
        ("POST", "/query/run/"),
        ("POST", "//query/run"),
        ("GET", "/v1/documents/../../etc/passwd"),
        ("GET", "/v1/jobs/1 or 1=1"),
        ("GET", "/"),
    ],
)
def test_what_is_not_ours_does_not_exist(guard: Guard, behind: App, method: str, path: str) -> None:
    heard = ask(guard, method, path, KEY)

    assert (heard.status, heard.problem) == (404, "not-found")
    assert behind.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong-key"},
        {"Authorization": "right-key"},
        {"Authorization": "Basic right-key"},
        {"Authorization": "Bearer right-key, other-key"},
        {"Authorization": "Bearer \u00e4\u00f6"},
        {"X-API-Key": "wrong-key"},
    ],
)
@pytest.mark.parametrize("path", ["/query/run", "/rag", "/v1/documents", "/v1/chat/completions"])
def test_without_a_key_nothing_happens(
    guard: Guard, behind: App, headers: dict[str, str], path: str
) -> None:
    heard = ask(guard, "POST", path, headers)

    assert (heard.status, heard.problem) == (401, "unauthorized")
    assert heard.headers["www-authenticate"].startswith("Bearer")
    assert behind.seen == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/keys", 403),
        ("GET", "/v1/keys", 403),
        ("DELETE", "/v1/keys/some", 403),
        ("POST", "/v1/backup", 403),
        ("PUT", "/v1/backup", 403),
        ("GET", "/metrics", 403),
        ("DELETE", "/v1/documents", 403),
        ("PUT", f"/v1/documents/{'a' * 32}/quarantine", 200),
        ("GET", "/v1/documents", 200),
    ],
)
def test_an_admins_key_for_some_collections_leads_to_no_others(
    guard: Guard, behind: App, tmp_path: Path, method: str, path: str, status: int
) -> None:
    store = KeyStore(tmp_path / "keys.sqlite3")
    _, key = store.create(
        subject="sam", role="admin", groups=(), collections=("team",), rate=None, expires=None,
        created_by="test",
    )  # fmt: skip
    guard = Guard(behind, door=Door(ring=None, store=store), limits=guard.limits, metrics=Metrics())

    heard = ask(guard, method, path, {"Authorization": f"Bearer {key}"})
    store.close()

    assert heard.status == status
    assert len(behind.seen) == (status == 200)


@pytest.mark.parametrize(
    "headers",
    [KEY, {"authorization": "bearer other-key"}, {"X-API-Key": "right-key"}],
)
def test_every_key_opens_in_either_header(guard: Guard, headers: dict[str, str]) -> None:
    heard = ask(guard, "POST", "/rag", headers, [b"12345"])

    assert (heard.status, heard.body) == (200, b'{"bytes":5}')
    assert heard.headers["cache-control"] == "no-store"
    assert len(heard.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_key(guard: Guard, path: str) -> None:
    assert ask(guard, "GET", path).status == 200


def test_another_method_is_told_which_are_known(guard: Guard, behind: App) -> None:
    heard = ask(guard, "PATCH", "/v1/documents", KEY)

    assert (heard.status, heard.problem) == (405, "method-not-allowed")
    assert heard.headers["allow"] == "DELETE, GET, POST"
    assert behind.seen == []


def test_a_declared_body_that_is_too_large_is_not_read(guard: Guard, behind: App) -> None:
    heard = ask(guard, "POST", "/rag", {**KEY, "content-length": "101"}, [b"x" * 101])

    assert (heard.status, heard.problem) == (413, "body-too-large")
    assert heard.headers["connection"] == "close"
    assert behind.seen == []


def test_a_chunked_body_is_counted(guard: Guard, behind: App) -> None:
    heard = ask(guard, "POST", "/rag", ASK, [b"x" * 60, b"x" * 60, b"x" * 60])

    assert (heard.status, heard.problem) == (413, "body-too-large")
    assert behind.seen == []


def test_an_upload_that_grows_too_large_is_cut(guard: Guard, behind: App) -> None:
    heard = ask(guard, "POST", "/v1/documents", ASK, [b"x" * 600, b"x" * 600])

    assert (heard.status, heard.problem) == (413, "body-too-large")
    assert behind.cancelled.is_set()


def test_uploads_have_a_limit_of_their_own(guard: Guard) -> None:
    assert ask(guard, "POST", "/v1/documents", ASK, [b"x" * 900]).status == 200
    assert ask(guard, "POST", "/v1/documents", ASK, [b"x" * 1001]).status == 413


def test_a_length_that_is_no_number_is_refused(guard: Guard) -> None:
    assert ask(guard, "POST", "/rag", {**KEY, "content-length": "many"}).status == 400


def test_a_body_that_does_not_arrive_is_given_up(guard: Guard, behind: App) -> None:
    heard = ask(guard, "POST", "/rag", ASK, [b"x"], stall=True)

    assert (heard.status, heard.problem) == (408, "body-too-slow")
    assert behind.seen == []


def test_an_upload_that_does_not_arrive_is_given_up(guard: Guard, behind: App) -> None:
    heard = ask(guard, "POST", "/v1/documents", ASK, [b"x"], stall=True)

    assert (heard.status, heard.problem) == (408, "body-too-slow")
    assert behind.cancelled.is_set()


def test_an_answer_that_takes_too_long_is_cut(guard: Guard, behind: App) -> None:
    behind.wait.clear()

    heard = ask(guard, "POST", "/rag", ASK, [b"x"])

    assert (heard.status, heard.problem) == (504, "deadline")
    assert behind.cancelled.is_set()


def test_one_more_than_fits_is_asked_to_come_back(guard: Guard, behind: App) -> None:
    async def crowd() -> list[Heard]:
        behind.wait.clear()
        calls = [asyncio.create_task(call(guard, "POST", "/rag", KEY)) for _ in range(3)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        behind.wait.set()
        return [await each for each in calls]

    statuses = {heard.status: heard for heard in asyncio.run(crowd())}

    assert sorted(statuses) == [200, 429]
    assert statuses[429].problem == "busy"
    assert statuses[429].headers["retry-after"] == "1"


def test_health_answers_when_the_house_is_full(guard: Guard, behind: App) -> None:
    async def crowd() -> int:
        behind.wait.clear()
        calls = [asyncio.create_task(call(guard, "POST", "/rag", KEY)) for _ in range(2)]
        while len(behind.seen) < 2:
            await asyncio.sleep(0)
        behind.wait.set()
        heard = await call(guard, "GET", "/healthz")
        await asyncio.gather(*calls)
        return heard.status

    assert asyncio.run(crowd()) == 200


def test_an_exception_is_answered_and_logged_without_its_text(
    guard: Guard, behind: App, caplog: pytest.LogCaptureFixture
) -> None:
    behind.error = ValueError("CANARY-QUESTION")

    with caplog.at_level(logging.INFO):
        heard = ask(guard, "POST", "/rag", KEY)

    assert (heard.status, heard.problem) == (500, "internal-error")
    assert b"CANARY" not in heard.body
    assert "CANARY" not in caplog.text
    (record,) = [record for record in caplog.records if record.name == "app.guard"]
    assert "ValueError at app/test_guard.py:" in vars(record)["at"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_nobody_waits_for_is_cancelled(
    guard: Guard, behind: App, stream: bool
) -> None:
    async def hang_up() -> None:
        gone = asyncio.Event()
        behind.stream = stream
        if not stream:
            behind.wait.clear()
        running = asyncio.create_task(call(guard, "POST", "/rag", KEY, hang_up=gone))
        while not behind.seen:
            await asyncio.sleep(0)
        gone.set()
        await asyncio.wait_for(behind.cancelled.wait(), 0.4)
        await running

    asyncio.run(hang_up())


def test_a_web_socket_is_closed(guard: Guard) -> None:
    async def connect() -> list[dict[str, object]]:
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        await guard({"type": "websocket", "path": "/rag"}, receive, send)  # type: ignore[arg-type]
        return sent

    assert asyncio.run(connect()) == [{"type": "websocket.close", "code": 1008}]


def test_requests_are_counted_by_route_not_by_path(behind: App) -> None:
    metrics = Metrics()
    limits = Limits(
        body_bytes=9, upload_bytes=9, concurrency=1, request_seconds=1, upload_seconds=1
    )
    guard = Guard(behind, door=Door(ring=None, anonymous=True), limits=limits, metrics=metrics)

    ask(guard, "GET", f"/v1/jobs/{'a' * 32}")
    ask(guard, "GET", "/secret-path")

    text = metrics.text()
    assert 'rag_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 1' in text
    assert 'route="unknown",status="404"} 1' in text
    assert "secret-path" not in text


def test_the_audit_log_has_an_answer_before_its_end_has_left(behind: App, tmp_path: Path) -> None:
    lines: list[bytes] = []
    audit = Audit(tmp_path / "head", write=lines.append)
    limits = Limits(
        body_bytes=9, upload_bytes=9, concurrency=1, request_seconds=1, upload_seconds=1
    )
    guard = Guard(
        behind,
        door=Door(ring=None, anonymous=True),
        limits=limits,
        metrics=Metrics(),
        audit=audit,
    )
    written: list[int] = []

    async def visit() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                written.append(len(lines))

        await guard(scope("POST", "/rag", {"content-length": "0"}), receive, send)

    asyncio.run(visit())
    audit.close()

    assert written == [2]  # the first is of the process's start
    assert b'"action":"POST /rag"' in lines[1]
    assert b'"status":200' in lines[1]
    assert len(lines) == 2
