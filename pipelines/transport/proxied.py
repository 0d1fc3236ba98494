"""Requests to one endpoint through a proxy, which aiohttp knows how to speak to."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Self

import aiohttp
from yarl import URL

from pipelines.transport.pool import CONNECT_SECONDS, KEEPALIVE_SECONDS
from pipelines.transport.wire import Reads, Reply, WireError


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

    async def opened(self, body: bytes, seconds: float) -> tuple[Reply, Reads]:
        """Return the reply's head, and its bytes as they come. Raises WireError, TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=seconds)
        try:
            response = await self._request(body, timeout)
        except aiohttp.ClientError as error:
            raise _translated(error) from error
        return _reply(response, b""), _Reads(response)

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


class _Reads:
    """The bytes of a reply as they come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.apart = 0.0
        self._response = response
        self._begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._begun and self.apart:
            await asyncio.sleep(self.apart)
        self._begun = True
        try:
            data = await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise _translated(error) from error
        if not data:
            raise StopAsyncIteration
        return data

    def leave(self) -> None:
        self._response.close()


def _reply(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    return Reply(response.status, response.headers.get("Retry-After", ""), body)


def _translated(error: aiohttp.ClientError) -> Exception:
    slow = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)
    return TimeoutError() if slow else WireError(type(error).__name__)
