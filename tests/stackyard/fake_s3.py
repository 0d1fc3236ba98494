"""S3's two calls that `ingest` makes, in a thread of the test; pages hold two objects."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 2


class FakeS3:
    """`objects` by key, all in one bucket; a key in `broken` is listed and cannot be fetched."""

    def __init__(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        self.bucket = bucket
        self.objects = dict(objects)
        self.broken: set[str] = set()
        self.signed: list[bool] = []
        fake = self

        class Handler(_Handler):
            s3 = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def page(self, prefix: str, after: str) -> str:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        shown, rest = keys[:PAGE], keys[PAGE:]
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key])}</Size></Contents>"
            for key in shown
        )
        more = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if rest else ""
        cut = str(bool(rest)).lower()
        return (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{cut}</IsTruncated>{more}{items}</ListBucketResult>"
        )


class _Handler(BaseHTTPRequestHandler):
    s3: FakeS3

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        self.s3.signed.append("AWS4-HMAC-SHA256" in self.headers.get("authorization", ""))
        if bucket != self.s3.bucket:
            self._send(404, b"<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>")
        elif key in self.s3.broken:
            self._send(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        elif key:
            self._send(200, self.s3.objects[key])
        else:
            query = parse_qs(parts.query)
            prefix = query.get("prefix", [""])[0]
            after = query.get("continuation-token", [""])[0]
            self._send(200, self.s3.page(prefix, after).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
