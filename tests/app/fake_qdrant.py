"""Qdrant's REST routes over qdrant-client's own in-memory engine, in a thread of the test.

It outlives an app that is killed, counts what is asked, and can be switched off.
"""

import json
import re
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter
from qdrant_client import QdrantClient, models

ALIASES: TypeAdapter[list[models.AliasOperations]] = TypeAdapter(list[models.AliasOperations])
POINTS: TypeAdapter[list[models.PointStruct]] = TypeAdapter(list[models.PointStruct])


class FakeQdrant:
    """`url` has no path; `api_key`, once set, is asked for, and `read_api_key` only reads then.

    `used` has the key of each request that was let in, with its method and path.
    """

    def __init__(self) -> None:
        self.engine = QdrantClient(":memory:")
        self.lock = threading.Lock()
        self.api_key: str | None = None
        self.read_api_key: str | None = None
        self.used: list[tuple[str | None, str, str]] = []
        self.status = 200
        self.searches: list[dict[str, Any]] = []
        self.slow_writes = threading.Event()
        self.writing = threading.Event()
        fake = self

        class Handler(_Handler):
            qdrant = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.slow_writes.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.slow_writes.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
        self.engine.close()

    def refusal(self, key: str | None, method: str, path: str) -> int | None:
        """Return the status of a request that its key does not open, as Qdrant has it."""
        if self.api_key and key not in (self.api_key, self.read_api_key):
            return 401
        reads = method == "GET" or path.endswith(("/query", "/scroll", "/count"))
        if self.api_key and key != self.api_key and not reads:
            return 403
        self.used.append((key, method, path))
        return None

    def chunks(self, collection: str, document: str) -> int:
        """Return how many chunks of a document there are, by file name."""
        match = models.MatchValue(value=document)
        condition = models.FieldCondition(key="meta.document", match=match)
        with self.lock:
            if not self.engine.collection_exists(collection):
                return 0
            return self.engine.count(collection, models.Filter(must=[condition])).count

    def scroll(
        self, name: str, given: models.Filter | None, body: dict[str, Any]
    ) -> dict[str, object]:
        """Return a page of points as Qdrant does."""
        points, following = self.engine.scroll(
            name,
            given,
            limit=body["limit"],
            offset=body.get("offset"),
            with_payload=bool(body.get("with_payload")),
            with_vectors=bool(body.get("with_vector")),
        )
        shown = [point.model_dump(mode="json", exclude_none=True) for point in points]
        return {"points": shown, "next_page_offset": following}

    def handle(self, method: str, path: str, body: dict[str, Any]) -> object:
        """Return the `result` of a request; KeyError stands for 404."""
        if path == "/aliases":
            return self.engine.get_aliases().model_dump(mode="json")
        if path == "/collections":
            return self.engine.get_collections().model_dump(mode="json")
        if path == "/collections/aliases":
            return self.engine.update_collection_aliases(ALIASES.validate_python(body["actions"]))
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if not found:
            raise KeyError(path)
        name, rest = found[1], found[2] or ""
        engine = self.engine
        if method == "GET" and rest == "/exists":
            return {"exists": engine.collection_exists(name)}
        if method == "PUT" and rest == "":
            vectors = models.VectorParams.model_validate(body["vectors"])
            return engine.create_collection(name, vectors)
        if not engine.collection_exists(name):
            raise KeyError(name)
        if method == "GET" and rest == "":
            return engine.get_collection(name).model_dump(mode="json")
        if method == "PUT" and rest == "/index":
            return {"operation_id": 1, "status": "completed"}
        given = models.Filter.model_validate(body["filter"]) if body.get("filter") else None
        if rest == "/points" and method == "PUT":
            engine.upsert(name, POINTS.validate_python(body["points"]))
            return {"operation_id": 1, "status": "completed"}
        if rest == "/points/payload" and method == "POST":
            assert given is not None
            chosen = models.FilterSelector(filter=given)
            engine.set_payload(name, body["payload"], chosen, body["key"])
            return {"operation_id": 1, "status": "completed"}
        if rest == "/points/count":
            return {"count": engine.count(name, given).count}
        if rest == "/points/delete":
            if given is None:
                engine.delete(name, models.PointIdsList(points=body["points"]))
            else:
                engine.delete(name, models.FilterSelector(filter=given))
            return {"operation_id": 1, "status": "completed"}
        if rest == "/points/scroll":
            return self.scroll(name, given, body)
        if rest == "/points/query":
            self.searches.append(dict(body))
            query = body["query"]
            vector = query["nearest"] if isinstance(query, dict) else query
            points = engine.query_points(name, vector, query_filter=given, limit=body["limit"])
            return {"points": [point.model_dump(mode="json") for point in points.points]}
        raise KeyError(path)


class _Handler(BaseHTTPRequestHandler):
    qdrant: FakeQdrant
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""

    def do_GET(self) -> None:
        self._answer()

    do_PUT = do_POST = do_GET

    def _answer(self) -> None:
        size = int(self.headers.get("content-length", "0"))
        body = json.loads(self.rfile.read(size) or b"{}")
        path = self.path.partition("?")[0]
        qdrant = self.qdrant
        if qdrant.status != 200:
            self._send(qdrant.status, {"status": {"error": "SECRET-BODY switched off"}})
        elif refused := qdrant.refusal(self.headers.get("api-key"), self.command, path):
            self._send(refused, {"status": {"error": "SECRET-BODY no key"}})
        else:
            if self.command == "PUT" and path.endswith("/points"):
                qdrant.writing.set()
                qdrant.slow_writes.wait(20)
            try:
                with qdrant.lock, warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    result = qdrant.handle(self.command, path, body)
            except KeyError:
                self._send(404, {"status": {"error": "SECRET-BODY not found"}})
                return
            self._send(200, {"result": result, "status": "ok", "time": 0.0})

    def _send(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            return
