"""What all callers of an event loop share: connections, and what is known of each endpoint."""

import asyncio
import ssl
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import certifi
from yarl import URL

from pipelines.transport.circuit import Circuit
from pipelines.transport.pool import DirectWire, Pool
from pipelines.transport.wire import Wire

if TYPE_CHECKING:
    import aiohttp

# Calls in flight to one endpoint; the rest wait for their turn inside their deadline.
CONCURRENCY = 256


class Line:
    """One endpoint: its turns, its circuit."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(CONCURRENCY)
        self.circuit = Circuit()


@dataclass
class _Shared:
    pools: dict[URL, Pool] = field(default_factory=dict)
    lines: dict[URL, Line] = field(default_factory=dict)
    users: set[int] = field(default_factory=set)
    session: "aiohttp.ClientSession | None" = None
    certificates: ssl.SSLContext | None = None

    def wire(self, method: str, url: URL, headers: Mapping[str, str]) -> Wire:
        proxy = proxy_of(url)
        if proxy is not None:
            # Imported late: 15 MB that most installations never need.
            from pipelines.transport.proxied import ProxiedWire, open_session

            if self.session is None:
                self.session = open_session(self._trusted())
            return ProxiedWire(self.session, proxy, method, url, headers)
        origin = url.origin()
        if origin not in self.pools:
            secure = url.scheme == "https"
            self.pools[origin] = Pool(url, self._trusted() if secure else None)
        return DirectWire(self.pools[origin], method, url, headers)

    async def close(self) -> None:
        for pool in self.pools.values():
            pool.close()
        if self.session is not None:
            await self.session.close()

    def _trusted(self) -> ssl.SSLContext:
        # The system's authorities or SSL_CERT_FILE's, and certifi's where an image has none.
        if self.certificates is None:
            self.certificates = ssl.create_default_context()
            self.certificates.load_verify_locations(certifi.where())
        return self.certificates


_shared: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Lease:
    """A user's share of the connections on one loop."""

    loop: asyncio.AbstractEventLoop
    wire: Wire
    line: Line


def lease(user: object, method: str, url: URL, headers: Mapping[str, str]) -> Lease:
    """Return a way to an endpoint from the running loop."""
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop) or _Shared()
    wire = shared.wire(method, url, headers)
    _shared[loop] = shared
    shared.users.add(id(user))
    if url not in shared.lines:
        shared.lines[url] = Line()
    return Lease(loop, wire, shared.lines[url])


async def release(user: object) -> None:
    """Give the share back; the last user closes the connections."""
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None:
        return
    shared.users.discard(id(user))
    if not shared.users:
        del _shared[loop]
        await shared.close()


def proxy_of(url: URL) -> URL | None:
    """Return the proxy that the environment names for an address, as every tool reads it."""
    if url.host is None or proxy_bypass(url.host):
        return None
    proxy = getproxies().get(url.scheme)
    return URL(proxy) if proxy else None
