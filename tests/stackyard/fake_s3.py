"""S3's calls that we make, in a thread of the test; pages hold two objects.

`ingest` and `restore` list and get, the CronJob of backups puts in parts, lists and removes.
"""

import base64
import hashlib
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

PAGE = 2


class FakeS3:
    """`objects` by key, all in one bucket; a key in `broken` is listed and cannot be fetched.

    `failures` are statuses that the next requests which write are answered with; `loses` bytes are
    cut off the end of what is put together.
    """

    def __init__(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        self.bucket = bucket
        self.objects = dict(objects)
        self.broken: set[str] = set()
        self.signed: list[bool] = []
        self.failures: list[int] = []
        self.loses = 0
        self.parts: dict[str, dict[int, bytes]] = {}  # of uploads that did not end
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

    def do_POST(self) -> None:
        key, query, body = self._written()
        if key is None:
            return
        if "uploads" in query:
            identity = f"upload {len(self.s3.parts)}+/"  # what has to be quoted
            self.s3.parts[identity] = {}
            answer = f"<R><UploadId>{identity}</UploadId></R>"
        else:
            parts = self.s3.parts.pop(query["uploadId"][0])
            tags = "".join(f'"{hashlib.md5(parts[n]).hexdigest()}"' for n in sorted(parts))
            named = "".join(each.text or "" for each in ElementTree.fromstring(body).iter("ETag"))
            assert named == tags, (named, tags)
            content = b"".join(parts[number] for number in sorted(parts))
            self.s3.objects[key] = content[: len(content) - self.s3.loses]
            answer = "<R/>"
        self._send(200, answer.encode())

    def do_PUT(self) -> None:
        key, query, body = self._written()
        if key is None:
            return
        self.s3.parts[query["uploadId"][0]][int(query["partNumber"][0])] = body
        self._send(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def do_DELETE(self) -> None:
        key, query, _ = self._written()
        if key is None:
            return
        if "uploadId" in query:
            del self.s3.parts[query["uploadId"][0]]
        else:
            del self.s3.objects[key]
        self._send(204, b"")

    def _written(self) -> tuple[str | None, dict[str, list[str]], bytes]:
        """Return what is asked for, once it is signed and whole; else refuse it: None."""
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        status = self.s3.failures.pop(0) if self.s3.failures else 200
        if bucket != self.s3.bucket:
            status = 404
        elif self.headers["content-md5"] != md5 or not self._is_signed(body):
            status = 403
        if status != 200:
            self._send(
                status, f"<Error><Code>E{status}</Code><Message>no</Message></Error>".encode()
            )
            return None, {}, b""
        return key, parse_qs(parts.query, keep_blank_values=True), body

    def _is_signed(self, body: bytes) -> bool:
        digest = hashlib.sha256(body).hexdigest() == self.headers["x-amz-content-sha256"]
        return digest and "AWS4-HMAC-SHA256" in self.headers.get("authorization", "")

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
