"""A service that reads pictures, as NVIDIA's NIM for OCR answers; it checks that it got a PNG.

A double: what it recognizes is what the test says, a picture each.
"""

import base64
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PREFIX = "data:image/png;base64,"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class FakeOcr:
    """`texts` are given out one after the other; `sizes` has width and height of each picture."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.status = 200
        self.sizes: list[tuple[int, int]] = []
        self.keys: list[str | None] = []
        fake = self

        class Handler(_Handler):
            ocr = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

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


class _Handler(BaseHTTPRequestHandler):
    ocr: FakeOcr

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        (given,) = body["input"]
        picture = base64.b64decode(given["url"].removeprefix(PREFIX), validate=True)
        if self.path != "/v1/infer" or given["type"] != "image_url" or picture[:8] != SIGNATURE:
            self._send(422, {"detail": "SECRET-BODY"})
        elif self.ocr.status != 200:
            self._send(self.ocr.status, {"detail": "SECRET-BODY"})
        else:
            self.ocr.keys.append(self.headers.get("authorization"))
            self.ocr.sizes.append(struct.unpack(">II", picture[16:24]))
            lines = self.ocr.texts.pop(0).splitlines()
            found = [{"text_prediction": {"text": line, "confidence": 0.9}} for line in lines]
            self._send(200, {"data": [{"index": 0, "text_detections": found}]})

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
