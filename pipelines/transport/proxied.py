"""Requests to one endpoint through a proxy, which aiohttp knows how to speak to."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from pipelines.transport.pool import CONNECT_SECONDS, KEEPALIVE_SECONDS
from pipelines.transport.wire import Reply, WireError


def open_session(certificates: ssl.SSLContext) -> aiohttp.ClientSession:
    """Return the session of an event loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEPALIVE_SECONDS, ssl=certificates
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
    )


class ProxiedWire:
    """Requests to one endpoint over the session."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        proxy: URL,
        method: str,
        url: URL,
        headers: Mapping[str, str],
    ) -> None:
        self._session = session
        self._proxy = proxy
        self._method = method
        self._url = url
        self._headers = dict(headers)

    async def whole(self, body: bytes, seconds: float) -> Reply:
        """Return the reply when all of it is there. Raises WireError, TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        try:
            async with self._request(body, timeout) as response:
                read = await response.read() if response.status == 200 else b""
                return _reply(response, read)
        except aiohttp.ClientError as error:
            raise _translated(error) from error

    @asynccontextmanager
    async def opened(
        self, body: bytes, seconds: float
    ) -> AsyncIterator[tuple[Reply, AsyncIterator[bytes]]]:
        """Give the reply's head and its bytes as they come; leaving early hangs up."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=seconds)
        try:
            async with self._request(body, timeout) as response:
                try:
                    yield _reply(response, b""), response.content.iter_any()
                finally:
                    response.close()
        except aiohttp.ClientError as error:
            raise _translated(error) from error

    def _request(
        self, body: bytes, timeout: aiohttp.ClientTimeout
    ) -> "aiohttp.client._RequestContextManager":
        return self._session.request(
            self._method,
            self._url,
            data=body,
            headers=self._headers,
            timeout=timeout,
            proxy=self._proxy,
            allow_redirects=False,
        )


def _reply(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    return Reply(response.status, response.headers.get("Retry-After", ""), body)


def _translated(error: aiohttp.ClientError) -> Exception:
    slow = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)
    return TimeoutError() if slow else WireError(type(error).__name__)
