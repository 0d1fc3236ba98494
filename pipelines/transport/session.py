"""The one aiohttp session of an event loop, and what all callers of an endpoint share on it."""

import asyncio
import ssl
import weakref
from dataclasses import dataclass, field

import aiohttp
import certifi
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from pipelines.transport.circuit import Circuit

# Calls in flight to one endpoint; the rest wait for their turn inside their deadline.
CONCURRENCY = 256
CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 30.0
# A passage reply of 20 kB arrives in one read.
READ_BUFFER = 2**18


class Line:
    """One endpoint: its proxy, its turns, its circuit."""

    def __init__(self, url: URL) -> None:
        self.proxy = _proxy(url)
        self.turns = asyncio.Semaphore(CONCURRENCY)
        self.circuit = Circuit()


@dataclass
class _Shared:
    session: aiohttp.ClientSession
    lines: dict[URL, Line] = field(default_factory=dict)
    users: set[int] = field(default_factory=set)


_shared: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Lease:
    """A user's share of the session on one loop."""

    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    line: Line


def lease(user: object, url: URL) -> Lease:
    """Return the session of the running loop, opened for its first user."""
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None:
        shared = _shared[loop] = _Shared(_open())
    shared.users.add(id(user))
    if url not in shared.lines:
        shared.lines[url] = Line(url)
    return Lease(loop, shared.session, shared.lines[url])


async def release(user: object) -> None:
    """Give the share back; the last user closes the session."""
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None:
        return
    shared.users.discard(id(user))
    if not shared.users:
        del _shared[loop]
        await shared.session.close()


def _open() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEPALIVE_SECONDS, ssl=_certificates()
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
        read_bufsize=READ_BUFFER,
    )


def _certificates() -> ssl.SSLContext:
    # The system's authorities or SSL_CERT_FILE's, and certifi's where an image has none.
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _proxy(url: URL) -> URL | None:
    """Return the proxy for an address; asked once, since aiohttp would ask at every call."""
    try:
        proxy, _ = get_env_proxy_for_url(url)
    except LookupError:
        return None
    return proxy
