"""How pods leave the cluster: straight to an address, or by the proxy of the stack."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.components.network_policies import ANYWHERE, Edge, Outside, Workload
from infra.reach import allow_list, goes_around, in_a_range, no_proxy, proxies
from infra.schema import Settings


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """Where host names may lead to, and what carries calls there."""

    reach: tuple[str, ...] = ANYWHERE
    proxies: Mapping[str, str] = field(default_factory=dict)  # by the scheme of what is called
    around: str = ""  # NO_PROXY
    exceptions: bool = False  # the stack itself names some of those

    def to(self, source: Workload, name: str, url: str, *, further: bool = False) -> list[Edge]:
        """Return the ways that a workload needs to call an address, and no other.

        `further`: what answers there sends on to hosts that are not known here.
        """
        parts = urlsplit(url)
        host, proxy = parts.hostname or "", self.proxies.get(parts.scheme)
        straight = outward(source, name, url, self.reach)
        if proxy is None:
            return [straight]
        one = len(set(self.proxies.values())) == 1
        by_proxy = outward(source, "proxy" if one else f"{parts.scheme}-proxy", proxy, self.reach)
        if goes_around(host, self.around):
            return [straight, *([by_proxy] if further else [])]
        # Go and requests heed ranges of NO_PROXY, Python's own and httpx do not
        both = in_a_range(host, self.around) or (further and self.exceptions)
        return [*([straight] if both else []), by_proxy]


def way_out(settings: Settings) -> WayOut:
    """Return a stack's way out: sealed, a host name leads to the ranges that it allows."""
    return WayOut(
        reach=allow_list(settings).ranges if settings.airgapped else ANYWHERE,
        proxies=proxies(settings),
        around=no_proxy(settings),
        exceptions=bool(settings.network.proxy.no_proxy),
    )


def outward(
    source: Workload, name: str, address_of: str, reach: tuple[str, ...] = ANYWHERE
) -> Edge:
    """Return the way to what is not ours, as narrow as its address allows."""
    url = urlsplit(address_of)
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    parts = host.removesuffix(".cluster.local").split(".")
    if len(parts) == 3 and parts[2] == "svc":
        return Edge(source=source, target=Outside(name=name, namespace=parts[1]), port=None)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return Edge(source=source, target=Outside(name=name, blocks=reach), port=port)
    block = str(ipaddress.ip_network(address))
    return Edge(source=source, target=Outside(name=name, blocks=(block,)), port=port)
