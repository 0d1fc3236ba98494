"""The servers that are measured: ours as `stackyard serve` starts it, and the peers."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench.engine import content
from bench.engine.environments import PEERS, ROOT, python_of
from bench.engine.load import Request
from bench.engine.process import on_core
from bench.engine.stub import Delays
from stackyard.client import Service
from stackyard.serving import state
from stackyard.serving.parts import NAMES, parts
from stackyard.serving.processes import Processes, choose_ports

OURS = "stackyard"
START_SECONDS = 120.0
INGEST_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs, and how each kind of work is asked of it."""

    name: str
    pid: int
    url: str
    start_seconds: float  # from the start of its process to its first whole answer
    query: Request
    stream: Request
    chat: Request | None  # our second streaming route
    ingest: Callable[[str], object] = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """Where a peer takes its questions."""

    name: str
    query: str = "/query"
    stream: str = "/query"
    stream_body: dict[str, object] = field(
        default_factory=lambda: {"question": content.QUESTION, "stream": True}
    )
    ingest: str = "/ingest"
    health: str = "/healthz"


_CHAT: dict[str, object] = {
    "stream": True,
    "messages": [{"role": "user", "content": content.QUESTION}],
}
ALL_PEERS = (
    Peer("handwritten"),
    Peer("langchain"),
    Peer("llamaindex"),
    Peer(
        "haystack",
        query="/query/run",
        stream="/v1/chat/completions",
        stream_body=_CHAT | {"model": "query"},
        ingest="/ingest/run",
        health="/status",
    ),
)


@contextmanager
def stub(core: int, delays: Delays) -> Iterator[str]:
    """Run the stub services on a core; yield their address."""
    with (
        on_core(core),
        subprocess.Popen(
            [sys.executable, "-m", "bench.engine.stub_server", str(delays.chat)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


@contextmanager
def ours(core: int, stub_url: str, home: Path, **settings: str) -> Iterator[Server]:
    """Run our app on a core, with its guard, key and limits on; `settings` differ from serve's."""
    before = os.environ.get("STACKYARD_HOME")
    os.environ["STACKYARD_HOME"] = str(home)
    processes = Processes()
    try:
        state.prepare()
        port = int(stub_url.rpartition(":")[2])
        ports = choose_ports(NAMES, {}, None) | {"models": port, "qdrant": port}
        key = state.app_key_file().read_text().strip()
        start = time.perf_counter()
        with on_core(core):
            for part in parts(ports):
                if part.name in ("models", "qdrant"):
                    continue  # the stub is both
                changed = {"RAG_EMBEDDING_DIMENSION": str(content.DIMENSION), **settings}
                told = {**part.environment, **(changed if part.name == "app" else {})}
                processes.start(replace(part, environment=told))
        app = processes.running["app"]
        url = f"http://127.0.0.1:{ports['app']}"
        headers = {"authorization": f"Bearer {key}"}
        _wait(f"{url}/readyz", app, lambda: processes.check())
        # only what the app itself holds is ever cited
        document = _upload(url, key, content.page(0))
        httpx.post(f"{stub_url}/stub/document", content=document, trust_env=False)
        server = Server(
            name=OURS,
            pid=app.pid,
            url=url,
            start_seconds=0.0,
            query=_request(f"{url}/query/run", {"question": content.QUESTION}, headers),
            stream=_request(
                f"{url}/query/run", {"question": content.QUESTION, "stream": True}, headers
            ),
            chat=_request(f"{url}/v1/chat/completions", _CHAT | {"model": "stackyard"}, headers),
            ingest=lambda text: _upload(url, key, text),
            headers=headers,
        )
        _first_answer(server)
        yield replace(server, start_seconds=time.perf_counter() - start)
    finally:
        processes.stop()
        if before is None:
            del os.environ["STACKYARD_HOME"]
        else:
            os.environ["STACKYARD_HOME"] = before


@contextmanager
def peer(which: Peer, core: int, stub_url: str, log: Path) -> Iterator[Server]:
    """Run a peer on a core."""
    port = choose_ports(["peer"], {}, None)["peer"]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(log.parent),  # what a peer keeps in a home goes with the run
        "PYTHONPATH": str(ROOT),
        "PEER_MODELS_URL": f"{stub_url}/v1",
        "PEER_QDRANT_URL": stub_url,
        "PEER_PORT": str(port),
    }
    python = python_of(which.name)
    start = time.perf_counter()
    with log.open("wb") as written, on_core(core):
        process = subprocess.Popen(
            [str(python), str(PEERS / which.name / "server.py")],
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    try:
        _wait(f"{url}{which.health}", process, lambda: _check(process, log))
        server = Server(
            name=which.name,
            pid=process.pid,
            url=url,
            start_seconds=0.0,
            query=_request(f"{url}{which.query}", {"question": content.QUESTION}, {}),
            stream=_request(f"{url}{which.stream}", which.stream_body, {}),
            chat=None,
            ingest=lambda text: _post_text(f"{url}{which.ingest}", text),
        )
        _first_answer(server)
        yield replace(server, start_seconds=time.perf_counter() - start)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask_once(server: Server) -> httpx.Response:
    """Send the server's question by an ordinary client."""
    head, _, body = server.query.data.partition(b"\r\n\r\n")
    url = server.url + head.split(b" ", 2)[1].decode()
    headers = {"content-type": "application/json", **server.headers}
    return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)


def _request(url: str, body: dict[str, object], headers: dict[str, str]) -> Request:
    return Request.post(url, body, content.LAST_WORD, headers)


def _wait(url: str, process: "subprocess.Popen[bytes]", check: Callable[[], None]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        check()
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    message = f"process {process.pid} was not ready at {url} within {START_SECONDS:.0f} s"
    raise TimeoutError(message)


def _check(process: "subprocess.Popen[bytes]", log: Path) -> None:
    code = process.poll()
    if code is not None:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
        message = f"{process.args!r} ended with {code}:\n{tail}"
        raise RuntimeError(message)


def _first_answer(server: Server) -> None:
    """Ask until a whole answer comes: a pipeline may still be loading behind a healthy server."""
    end = time.monotonic() + START_SECONDS
    said = "nothing"
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            asked = ask_once(server)
            if server.query.expect in asked.content:
                return
            said = f"{asked.status_code} {asked.text[:300]}"
        time.sleep(0.05)
    message = f"{server.name} gave no whole answer within {START_SECONDS:.0f} s, it said: {said}"
    raise TimeoutError(message)


def _upload(url: str, key: str, text: str) -> str:
    with Service(url, key) as service:
        path = Path(os.environ["STACKYARD_HOME"]) / "upload.txt"
        path.write_text(text)
        job = service.wait_job(service.upload(path, path.name), INGEST_SECONDS)
    if job.status != "done":
        message = f"the upload was {job.status}: {job.reason}"
        raise RuntimeError(message)
    return job.document_id


def _post_text(url: str, text: str) -> None:
    as_json = url.endswith("/run")  # Hayhooks takes nothing else
    with httpx.Client(timeout=INGEST_SECONDS, trust_env=False) as client:
        done = client.post(url, json={"text": text}) if as_json else client.post(url, content=text)
    done.raise_for_status()
