"""Pure: who may be named in a sealed stack: the cluster, the registry, and the allow list."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.schema import Settings

CLUSTER_DOMAIN = "cluster.local"
# NodeLocal DNSCache's on each node, by Kubernetes' own manifest and by kubespray
NODE_DNS = ("169.254.20.10/32", "169.254.25.10/32")
# of the cluster and of a pod itself: such a name or address never leaves it
INSIDE = ("localhost", f"*.{CLUSTER_DOMAIN}", "*.svc", "127.0.0.0/8", "::1/128", "0.0.0.0/32")
URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>`,;(){}\\|]+")
PORTS = {"https": 443, "http": 80, "oci": 443, "grpc": 443, "redis": 6379, "wss": 443, "ws": 80}


@dataclass(frozen=True)
class AllowList:
    """Hosts, host:port, *.domain and ranges of addresses that may be named."""

    entries: tuple[str, ...]

    def allows(self, host: str, port: int | None = None) -> bool:
        """Tell whether a host may be named; a port that is not known may be any."""
        name = host.lower().strip("[]").rstrip(".")
        return any(_matches(entry, name, port) for entry in (*INSIDE, *self.entries))

    @property
    def ranges(self) -> tuple[str, ...]:
        """Return the entries that are addresses, as network policies want them."""
        networks = (_network(entry) for entry in self.entries)
        return tuple(str(network) for network in networks if network is not None)


def allow_list(settings: Settings) -> AllowList:
    """Return who may be named in a stack."""
    registry = [settings.registry.host] if settings.registry.host else []
    return AllowList((*registry, *settings.network.allowed))


def outside(text: str, allowed: AllowList) -> list[str]:
    """Return the addresses with a scheme in a text that are not allowed."""
    return [url for url, host, port in addresses(text) if not allowed.allows(host, port)]


def addresses(text: str) -> Iterator[tuple[str, str, int | None]]:
    """Yield each address with a scheme in a text, its host and its port."""
    for found in URL.finditer(text):
        url = found.group().rstrip(".")
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:  # a port that is no number: no client would get anywhere with it
            host, port = parts.hostname, None
        if host:
            yield url, host, port or PORTS.get(parts.scheme.lower())


def no_proxy(settings: Settings, more: Iterable[str] = ()) -> str:
    """Return NO_PROXY: this pod, the cluster's Services, the registry, what the stack adds.

    Domains with a leading dot, because Python, Go and curl all read those; none reads `*.`, and
    Python reads no ranges.
    """
    host = (settings.registry.host or "").partition(":")[0]
    listed: Sequence[str] = (
        *("localhost", "127.0.0.1", "::1", ".svc", f".{CLUSTER_DOMAIN}"),
        *([host] if host else []),
        *settings.network.proxy.no_proxy,
        *more,
    )
    return ",".join(dict.fromkeys(listed))


def dns_ranges(settings: Settings) -> tuple[str, ...]:
    """Return the stack's own addresses of DNS as ranges."""
    return tuple(str(ipaddress.ip_network(each)) for each in settings.network.dns)


def proxies(settings: Settings) -> dict[str, str]:
    """Return the stack's proxy of each scheme that has one."""
    proxy = settings.network.proxy
    given = {"http": proxy.http, "https": proxy.https}
    return {scheme: address for scheme, address in given.items() if address is not None}


def goes_around(host: str, listed: str) -> bool:
    """Tell whether NO_PROXY takes a host out of the proxy, as Python's urllib reads it."""
    name = host.lower()
    for entry in listed.lower().split(","):
        domain = entry.strip().lstrip(".")
        if entry == "*" or (domain and (name == domain or name.endswith(f".{domain}"))):
            return True
    return False


def in_a_range(host: str, listed: str) -> bool:
    """Tell whether a host is an address in a range of NO_PROXY, which only some clients read."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    networks = (_network(entry.strip()) for entry in listed.split(","))
    return any(network is not None and address in network for network in networks)


def _matches(entry: str, name: str, port: int | None) -> bool:
    network = _network(entry)
    if network is not None:
        try:
            return ipaddress.ip_address(name) in network
        except ValueError:
            return False
    wanted, _, only = entry.lower().partition(":")
    if only and port is not None and int(only) != port:
        return False
    if wanted.startswith("*."):
        return name.endswith(wanted[1:])
    return name == wanted


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
