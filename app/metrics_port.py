"""The metrics once more on a port of their own, for scrapers without a key; keep it inside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.metrics import CONTENT_TYPE, Metrics
from app.settings import Settings

SECONDS = 5.0
LONGEST_HEAD = 16 * 2**10


@asynccontextmanager
async def serve_metrics(metrics: Metrics, settings: Settings) -> AsyncIterator[None]:
    """Serve GET /metrics while the service runs, if RAG_METRICS_PORT says where."""
    if settings.metrics_port is None:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, metrics))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(
        answer, settings.host, settings.metrics_port, limit=LONGEST_HEAD
    )
    async with server:
        yield


def _response(head: bytes, metrics: Metrics) -> bytes:
    found = head.startswith((b"GET /metrics ", b"GET /metrics?"))
    status, kind = ("200 OK", CONTENT_TYPE) if found else ("404 Not Found", "text/plain")
    body = metrics.text().encode() if found else b"not here\n"
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
