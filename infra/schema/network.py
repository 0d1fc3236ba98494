"""What a stack may say about the way out of the cluster: who may be named, and by which proxy."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.schema.fields import Frozen, WebAddress

# host, host:port, *.domain, an address, or a range of addresses
Reachable = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?[a-z0-9][a-z0-9.-]*(:[0-9]{1,5}|/[0-9]{1,2})?$|^[0-9a-f:]+(/[0-9]{1,3})?$"
    ),
]
# an address or a range of addresses
Addresses = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?$|^[0-9a-f:]+(/[0-9]{1,3})?$"
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


class InsideTlsSettings(Frozen):
    """TLS between the app, Qdrant and the models."""

    mode: Literal["none", "selfSigned"] = Field(
        default="none",
        description="`selfSigned`: each service in the cluster that can speaks TLS, by an "
        "authority of the stack's own that the app trusts; a preview names those that cannot",
    )


class NetworkSettings(Frozen):
    """The ways between the parts of a stack, and out of the cluster."""

    allowed: list[Reachable] = Field(
        default=[],
        description="airgapped: what may be named besides the cluster and the registry: host, "
        "host:port, *.domain, and the ranges of addresses behind them, for the network policies",
    )
    dns: list[Addresses] = Field(
        default=[],
        description="where pods resolve names, besides the pods of `kube-system` and NodeLocal "
        "DNSCache's usual 169.254.20.10 and 169.254.25.10: addresses or ranges",
    )
    proxy: ProxySettings = Field(default=ProxySettings(), description="the proxy of pods")
    tls: InsideTlsSettings = Field(
        default=InsideTlsSettings(),
        description="inside of the cluster; `app.tls` is for those who call",
    )
