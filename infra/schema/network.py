"""What a stack may say about the way out of the cluster: who may be named, and by which proxy."""

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.schema.fields import Frozen, WebAddress

# host, host:port, *.domain, an address, or a range of addresses
Reachable = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?[a-z0-9][a-z0-9.-]*(:[0-9]{1,5}|/[0-9]{1,2})?$|^[0-9a-f:]+(/[0-9]{1,3})?$"
    ),
]
NotProxied = Annotated[str, StringConstraints(pattern=r"^[^\s,]+$")]


class ProxySettings(Frozen):
    """The proxy that pods go out by."""

    http: WebAddress | None = Field(default=None, description="for http:// addresses")
    https: WebAddress | None = Field(default=None, description="for https:// addresses")
    no_proxy: list[NotProxied] = Field(
        default=[],
        description="reached without it, besides the cluster and the registry: host or .domain",
    )


class NetworkSettings(Frozen):
    """The way out of the cluster."""

    allowed: list[Reachable] = Field(
        default=[],
        description="airgapped: what may be named besides the cluster and the registry: host, "
        "host:port, *.domain, and the ranges of addresses behind them, for the network policies",
    )
    proxy: ProxySettings = Field(default=ProxySettings(), description="the proxy of pods")
