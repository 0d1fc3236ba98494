"""What the stub services answer: the NIM routes and Qdrant's REST, with fixed content and times.

Pure: a request in, the bytes and their times out. `stub_server` puts it on a socket.
"""

import base64
import random
import re
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from bench.engine import content

MODELS = ("stub-embedding", "stub-ranking", "stub-llm")
MODEL_PATHS = frozenset(("/v1/embeddings", "/v1/ranking", "/v1/chat/completions"))
_LIMIT = re.compile(rb'"limit": ?(\d+)')


@dataclass(frozen=True)
class Delays:
    """Seconds from the last byte of a request to the last byte of its answer."""

    embed: float = 0.010
    search: float = 0.003
    write: float = 0.003
    rank: float = 0.020
    chat: float = 0.200

    @property
    def answer(self) -> float:
        """Return what a question costs when its chain costs nothing."""
        return self.embed + self.search + self.rank + self.chat

    @property
    def first_token(self) -> float:
        return self.embed + self.search + self.rank + self.chat / content.TOKENS


@dataclass(frozen=True)
class Reply:
    """One body after `seconds`, or its pieces spread evenly over them."""

    seconds: float
    body: bytes
    status: int = 200
    pieces: Sequence[bytes] = ()


@dataclass
class Stub:
    """All services at one address."""

    delays: Delays = field(default_factory=Delays)
    counts: Counter[str] = field(default_factory=Counter)
    recorded: list[dict[str, object]] = field(default_factory=list)
    recording: bool = False
    failing: float = 0.0  # the share of model calls that answer 503
    _chance: random.Random = field(default_factory=lambda: random.Random(503))

    def __post_init__(self) -> None:
        numbers = content.vector()
        self._floats = orjson.dumps(numbers)
        self._base64 = b'"%s"' % base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers))
        self._hold("manual")
        self._pieces = {usage: stream_pieces(usage=usage) for usage in (False, True)}

    def reply(self, method: str, path: str, body: bytes) -> Reply:
        """Return the answer to a request."""
        path = path.partition("?")[0]
        if path.startswith("/stub/"):
            return self._control(path.removeprefix("/stub/"), body)
        if path == "/v1/traces":
            self.counts["components"] += body.count(b"haystack.component.name")
            return Reply(0.0, b"")
        self.counts[path if path in MODEL_PATHS else "/" + path.rpartition("/")[2]] += 1
        if self.recording:
            recorded = orjson.Fragment(body) if body else None
            self.recorded.append({"method": method, "path": path, "body": recorded})
        if path in MODEL_PATHS:
            if self.failing and self._chance.random() < self.failing:
                self.counts["failed"] += 1
                return Reply(0.0, b'{"error":{"message":"stub","type":"overloaded"}}', 503)
            return self._model(path, body)
        if path == "/aliases":
            return Reply(0.0, _result(b'{"aliases":[]}'))
        if path.startswith("/collections"):
            return self._qdrant(method, path, body)
        listed = [{"id": name, "object": "model", "owned_by": "stub"} for name in MODELS]
        if path == "/v1/models":
            return Reply(0.0, orjson.dumps({"object": "list", "data": listed}))
        if path.startswith("/v1/health/"):
            return Reply(0.0, b'{"object":"health.response","message":"Service is ready."}')
        if path in ("/", "/readyz", "/healthz"):
            return Reply(0.0, b'{"title":"qdrant - vector search engine","version":"1.16.0"}')
        return Reply(0.0, b'{"detail":"Not Found"}', 404)

    def _model(self, path: str, body: bytes) -> Reply:
        asked = orjson.loads(body)
        if path == "/v1/embeddings":
            return Reply(self.delays.embed, self._embeddings(asked))
        if path == "/v1/ranking":
            count = len(asked["passages"])
            ranked = [{"index": index, "logit": 9.0 - 0.1 * index} for index in range(count)]
            return Reply(self.delays.rank, orjson.dumps({"rankings": ranked}))
        if not asked.get("stream"):
            return Reply(self.delays.chat, completion())
        usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        return Reply(self.delays.chat, b"", pieces=self._pieces[usage])

    def _embeddings(self, asked: dict[str, object]) -> bytes:
        given = asked["input"]
        count = len(given) if isinstance(given, list) else 1
        self.counts["embedded"] += count
        vector = self._base64 if asked.get("encoding_format") == "base64" else self._floats
        data = b",".join(
            b'{"object":"embedding","index":%d,"embedding":%s}' % (index, vector)
            for index in range(count)
        )
        return (
            b'{"object":"list","data":[%s],"model":"stub-embedding",'
            b'"usage":{"prompt_tokens":%d,"total_tokens":%d}}' % (data, 16 * count, 16 * count)
        )

    def _qdrant(self, method: str, path: str, body: bytes) -> Reply:
        collection, _, verb = path.removeprefix("/collections").strip("/").partition("/")
        if verb in ("points/query", "points/search"):
            # The largest one is what leaves the store; a prefetch may ask for less or more.
            limit = max((int(found) for found in _LIMIT.findall(body)), default=10)
            points = self._points.get(collection, self._points["haystack"])
            listed = b",".join(points[: min(limit, len(points))])
            return Reply(self.delays.search, _result(b'{"points":[%s]}' % listed))
        if verb == "points" and method == "PUT":
            self.counts["points"] += body.count(b'"payload"')
            return Reply(self.delays.write, _result(b'{"operation_id":1,"status":"completed"}'))
        return Reply(0.0, _result(_about(verb, method, collection)))

    def _control(self, verb: str, body: bytes) -> Reply:
        if verb == "record":
            self.recording, self.recorded = body == b"on", []
        elif verb == "recorded":
            return Reply(0.0, orjson.dumps(self.recorded))
        elif verb == "document":
            self._hold(body.decode())
        elif verb == "failing":
            self.failing = float(body)
        elif verb == "counts":
            return Reply(0.0, orjson.dumps(dict(self.counts)))
        return Reply(0.0, b"{}")

    def _hold(self, document_id: str) -> None:
        """Let every passage be one of this document's."""
        shapes = ("haystack", "langchain", "llamaindex")
        self._points = {shape: _points(shape, document_id) for shape in shapes}


def completion() -> bytes:
    """Return the answer as one chat completion."""
    message = {"role": "assistant", "content": content.ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return orjson.dumps(_head("chat.completion") | {"choices": [choice], "usage": _usage()})


def stream_pieces(*, usage: bool) -> list[bytes]:
    """Return the answer as server-sent events: a piece a token, the end with the last one."""
    first = _chunk({"role": "assistant", "content": ""})
    pieces = [_chunk({"content": token}) for token in content.tokens()]
    last = _chunk({}, "stop")
    if usage:
        last += _event(_head("chat.completion.chunk") | {"choices": [], "usage": _usage()})
    return [first + pieces[0], *pieces[1:-1], pieces[-1] + last + b"data: [DONE]\n\n"]


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return _event(_head("chat.completion.chunk") | {"choices": [choice]})


def _event(data: dict[str, object]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(data)


def _head(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-stub", "object": kind, "created": 1, "model": "stub-llm"}


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 1300, "completion_tokens": content.TOKENS, "total_tokens": 1350}


def _result(result: bytes) -> bytes:
    return b'{"result":%s,"status":"ok","time":0.001}' % result


def _about(verb: str, method: str, collection: str) -> bytes:
    """Return what Qdrant says of a collection that is there and well."""
    if verb == "exists":
        return b'{"exists":true}'
    if verb == "points/count":
        return b'{"count":%d}' % content.PASSAGES
    if verb == "points/scroll":
        return b'{"points":[],"next_page_offset":null}'
    if verb == "points":
        return b"[]"
    if verb == "facet":
        return b'{"hits":[]}'
    if not collection:
        return b'{"collections":[{"name":"documents"}]}'
    if method != "GET":
        return b'{"operation_id":1,"status":"completed"}' if verb else b"true"
    vectors = {"size": content.DIMENSION, "distance": "Cosine"}
    hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
    config = {
        "params": {"vectors": vectors, "shard_number": 1, "replication_factor": 1},
        "hnsw_config": hnsw,
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
    }
    about = {
        "status": "green",
        "optimizer_status": "ok",
        "points_count": content.PASSAGES,
        "segments_count": 1,
        "config": config,
        "payload_schema": {},
    }
    return orjson.dumps(about)


def _points(shape: str, document_id: str) -> list[bytes]:
    found = []
    for passage in content.passages():
        point = {
            "id": passage.id,
            "version": 1,
            "score": round(0.95 - 0.005 * passage.number, 4),
            "payload": _payload(shape, passage, document_id),
        }
        found.append(orjson.dumps(point))
    return found


def _payload(shape: str, passage: content.Passage, document_id: str) -> dict[str, object]:
    """Return a passage as each framework keeps one in Qdrant."""
    meta: dict[str, object] = {
        "document": "manual.pdf",
        "document_id": document_id,
        "page": passage.number + 1,
        "span": [0, len(passage.text)],
        "revision": "1",
    }
    if shape == "langchain":
        return {"page_content": passage.text, "metadata": meta}
    if shape == "llamaindex":
        flat = {key: value for key, value in meta.items() if key != "span"}
        node = {"id_": passage.id, "metadata": flat, "text": passage.text, "class_name": "TextNode"}
        return {"_node_content": orjson.dumps(node).decode(), "_node_type": "TextNode"}
    return {"id": passage.id, "content": passage.text, "meta": meta}
