"""A small real HTTP server that speaks the NIM routes, for tests without a model.

Embeddings are hashed bags of words, ranking counts shared words, chat answers with the sentence of
the prompt that shares most words with the question: the same input always gives the same output.
"""

import base64
import json
import math
import re
import select
import ssl
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Json = dict[str, object]  # values are looked at where they are used

STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can did do does for from how i in is it its me my of on or our "
        "that the their there they this to was we were what when where which who why will with "
        "you your",
    )
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json


@dataclass(kw_only=True)
class _Fault:
    status: int
    times: int
    path: str | None
    body: Json


def words(text: str) -> list[str]:
    """Return the content words of a text, without plural and verb endings."""
    found = re.findall(r"\w+", text.lower())
    return [re.sub(r"(ing|ed|es|s)$", "", word) for word in found if word not in STOP]


def embed(text: str, dimension: int) -> list[float]:
    """Return the unit vector of a text's hashed words; a text without words gets a fixed one."""
    vector = [0.0] * dimension
    for word in words(text):
        vector[zlib.crc32(word.encode()) % dimension] += 1.0
    if not any(vector):
        vector[0] = 1.0
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def overlap(query: str, passage: str) -> float:
    """Return the share of the query's words that the passage holds."""
    asked = set(words(query))
    return len(asked & set(words(passage))) / len(asked) if asked else 0.0


def reply_to(messages: Iterable[object]) -> str:
    """Return the sentence of the last message that shares most words with its last line."""
    contents = [str(message["content"]) for message in messages if isinstance(message, dict)]
    lines = contents[-1].strip().splitlines()
    asked = [line for line in lines if line.lower().startswith("question:")]
    question = (asked or lines)[-1].partition(":")[2] or lines[-1]
    context = "\n".join(line for line in lines if line not in asked)
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", context) if part.strip()]
    return max(
        sentences, key=lambda sentence: overlap(question, sentence), default="I do not know."
    )


@dataclass
class FakeNim:
    """Serves /v1/embeddings, /v1/ranking, /v1/chat/completions, /v1/models and the health routes.

    `url` ends in /v1. Set `answer` for a fixed chat reply and `token_delay` for a slow one.
    """

    dimension: int = 384
    api_key: str | None = None
    tls: ssl.SSLContext | None = None
    answer: str | None = None
    token_delay: float = 0.0
    requests: list[Request] = field(default_factory=list)
    tokens_sent: int = 0
    streams_cut: int = 0
    fail_every: int = 0  # each so-manieth POST is answered by 503; 0: none
    failed: int = 0
    port: int = 0  # 0: any that is free
    _faults: list[_Fault] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Return the base address, ending in /v1."""
        assert self._server is not None, "use FakeNim as a context manager"
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/v1"

    def fail_next(self, status: int, times: int = 1, path: str | None = None) -> None:
        """Answer the next `times` POSTs (to paths that end in `path`) with this status."""
        body: Json = {"error": {"message": f"planted {status} SECRET-BODY", "type": "planted"}}
        self._faults.append(_Fault(status=status, times=times, path=path, body=body))

    def forget_faults(self) -> None:
        """Answer well from now on."""
        with self._lock:
            self._faults.clear()

    def answer_next_with(self, body: Json, path: str | None = None) -> None:
        """Answer the next POST with status 200 and this body, whatever was asked."""
        self._faults.append(_Fault(status=200, times=1, path=path, body=body))

    def posts(self, path: str) -> list[Request]:
        """Return the POST requests whose path ends in `path`."""
        return [r for r in self.requests if r.method == "POST" and r.path.endswith(path)]

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", self.port), _handler_of(self))
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def take_fault(self, path: str) -> _Fault | None:
        """Return the planted fault for this request, and count it off."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and (fault.path is None or path.endswith(fault.path)):
                    fault.times -= 1
                    return fault
            if self.fail_every and len(self.requests) % self.fail_every == 0:
                self.failed += 1
                return _Fault(status=503, times=1, path=None, body={"error": {"message": "busy"}})
        return None

    def embeddings(self, body: Json) -> Json:
        """Return one vector per input, as floats or base64."""
        given = body["input"]
        texts = (
            [given] if isinstance(given, str) else list(given) if isinstance(given, list) else []
        )
        vectors = [embed(str(text), self.dimension) for text in texts]
        as_base64 = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": i, "embedding": _base64(v) if as_base64 else v}
            for i, v in enumerate(vectors)
        ]
        count = sum(len(str(text).split()) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "data": data, "model": body.get("model"), "usage": usage}

    def rankings(self, body: Json) -> Json:
        """Return the passages by falling word overlap, ties in the order given."""
        query, passages = body["query"], body["passages"]
        assert isinstance(query, dict)
        assert isinstance(passages, list)
        scores = [overlap(str(query["text"]), str(passage["text"])) for passage in passages]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        return {"rankings": [{"index": i, "logit": scores[i]} for i in order]}

    def chat(self, body: Json) -> str:
        """Return the reply to a chat request."""
        if self.answer is not None:
            return self.answer
        messages = body["messages"]
        assert isinstance(messages, list)
        return reply_to(messages)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _handler_of(fake: FakeNim) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # HTTP/1.0: a connection ends with its answer, so nothing stays open after a test.
        protocol_version = "HTTP/1.0"

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output quiet."""

        def do_GET(self) -> None:
            self._record({})
            routes: dict[str, Json] = {
                "/v1/models": {"object": "list", "data": [{"id": "fake", "object": "model"}]},
                "/v1/health/ready": {"object": "health.response", "message": "Service is ready."},
                "/v1/health/live": {"object": "health.response", "message": "Service is live."},
            }
            found = routes.get(self.path)
            if not self._opens():
                self._send(401, {"detail": "SECRET-BODY: not authenticated"})
            else:
                self._send(200 if found else 404, found or {"detail": "Not Found"})

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", "0"))
            body = json.loads(self.rfile.read(size) or b"{}")
            self._record(body)
            if not self._opens():
                self._send(401, {"detail": "SECRET-BODY: not authenticated"})
            elif fault := fake.take_fault(self.path):
                self._send(fault.status, fault.body)
            elif self.path == "/v1/embeddings":
                self._send(200, fake.embeddings(body))
            elif self.path == "/v1/ranking":
                self._send(200, fake.rankings(body))
            elif self.path == "/v1/chat/completions":
                self._chat(body)
            else:
                self._send(404, {"detail": "Not Found"})

        def _opens(self) -> bool:
            given = self.headers.get("authorization")
            return fake.api_key is None or given == f"Bearer {fake.api_key}"

        def _record(self, body: Json) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.requests.append(
                Request(method=self.command, path=self.path, headers=headers, body=body)
            )

        def _send(self, status: int, body: Json) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _chat(self, body: Json) -> None:
            tokens = re.findall(r"\s*\S+", fake.chat(body))
            asked = len(str(body["messages"]).split())
            usage: Json = {
                "prompt_tokens": asked,
                "completion_tokens": len(tokens),
                "total_tokens": asked + len(tokens),
            }
            head = {"id": "chat-1", "created": int(time.time()), "model": body.get("model")}
            if not body.get("stream"):
                # Written as slowly as it would be streamed; a caller who hangs up is noticed.
                if select.select([self.connection], [], [], fake.token_delay * len(tokens))[0]:
                    fake.streams_cut += 1
                    return
                message = {"role": "assistant", "content": "".join(tokens)}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                whole = {"object": "chat.completion", "choices": [choice], "usage": usage}
                self._send(200, {**head, **whole})
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                self._stream(body, head, tokens, usage)
            except ConnectionError:
                fake.streams_cut += 1

        def _stream(self, body: Json, head: Json, tokens: list[str], usage: Json) -> None:
            def event(choices: list[Json], **extra: object) -> None:
                chunk = {**head, "object": "chat.completion.chunk", "choices": choices, **extra}
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()

            start: Json = {"role": "assistant", "content": ""}
            event([{"index": 0, "delta": start, "finish_reason": None}])
            for token in tokens:
                time.sleep(fake.token_delay)
                event([{"index": 0, "delta": {"content": token}, "finish_reason": None}])
                fake.tokens_sent += 1
            event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
            options = body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                event([], usage=usage)
            self.wfile.write(b"data: [DONE]\n\n")

    return Handler


if __name__ == "__main__":
    with FakeNim(port=int(sys.argv[1])):
        threading.Event().wait()
