"""What a stack may say about how callers come in: the certificate, and the site's own door."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.schema.fields import Frozen

KubernetesName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
]
# as a certificate may have it: a name, a wildcard, an address
CertificateHost = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9][a-z0-9.:-]{0,251}$")]
DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
AddressRange = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")]
TlsMode = Literal["none", "selfSigned", "secret", "certManager"]


class TlsSettings(Frozen):
    """The certificate that callers see."""

    mode: TlsMode = Field(
        default="none",
        description="`selfSigned`: by an authority of the stack's own, for the output `ca`; "
        "`secret`: yours; `certManager`: existing, eks: asked of an issuer",
    )
    secret_name: KubernetesName | None = Field(
        default=None,
        description="secret: a Secret of type kubernetes.io/tls in the namespace rag-<stack>",
    )
    issuer: KubernetesName | None = Field(default=None, description="certManager: its issuer")
    issuer_kind: Literal["ClusterIssuer", "Issuer"] = Field(
        default="ClusterIssuer", description="certManager: `Issuer` is one in rag-<stack>"
    )
    hosts: list[CertificateHost] = Field(
        default=[],
        description="selfSigned, certManager: names and addresses besides those of app.url and "
        "app.edge.host",
    )
    ca: str | None = Field(
        default=None,
        min_length=1,
        description="secret, certManager: a PEM file with the authority that callers are to "
        "trust, for the output `ca`. Unset: a public one",
    )


class EdgeSettings(Frozen):
    """The site's own door in front of the service: an ingress controller or a gateway."""

    host: DnsName | None = Field(
        default=None, description="Ingress, Gateway: the host name that callers use"
    )
    class_: KubernetesName | None = Field(
        default=None, alias="class", description="Ingress: its class. Unset: the cluster's default"
    )
    gateway: KubernetesName | None = Field(
        default=None, description="Gateway: the site's Gateway that the route is attached to"
    )
    gateway_namespace: KubernetesName | None = Field(
        default=None, description="Gateway: its namespace"
    )
    listener: KubernetesName | None = Field(
        default=None, description="Gateway: one of its listeners. Unset: all that fit"
    )
    controller_namespace: KubernetesName | None = Field(
        default=None,
        description="Ingress, Gateway: namespace of the proxy's pods; they may call the app, and "
        "nobody else",
    )
    controller_addresses: list[AddressRange] = Field(
        default=[],
        description="Ingress, Gateway: the same for a proxy that uses its nodes' network: "
        "ranges of addresses",
    )
    passthrough: bool = Field(
        default=False,
        description="Ingress, Gateway: the proxy passes TLS on and the app ends it; an Ingress "
        "needs its controller's annotation for that",
    )
    annotations: dict[str, str] = Field(
        default={}, description="Ingress, Gateway: for the Ingress or the route"
    )
