"""The certificate that callers see, as a Secret in the app's namespace, wherever it comes from."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.components.generated_certificate import GeneratedCertificate
from infra.components.scope import Scope
from infra.schema import TlsSettings
from infra.schema.edge_choices import is_address

CERT_MANAGER = "cert-manager.io/v1"
core, meta = k8s.core.v1, k8s.meta.v1


@dataclass(frozen=True, kw_only=True)
class CertificateArgs:
    scope: Scope
    settings: TlsSettings  # of any mode but `none`
    hosts: list[str]
    ca: str | None  # text of the authority that signs it elsewhere


class Certificate(pulumi.ComponentResource):
    """One certificate: `secret` holds tls.crt and tls.key, `ca` is what callers are to trust.

    The Secret keeps its name when it is renewed: the app reads it again, and no pod is restarted.
    """

    secret: pulumi.Output[str]
    ca: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Certificate", name, None, opts)
        self.ca = None if args.ca is None else pulumi.Output.from_input(args.ca)
        if args.settings.mode == "selfSigned":
            self._self_signed(name, args)
        elif args.settings.mode == "certManager":
            self._asked_for(name, args)
        else:
            self.secret = pulumi.Output.from_input(str(args.settings.secret_name))
        self.register_outputs({})

    def _self_signed(self, name: str, args: CertificateArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        scope = args.scope
        made = GeneratedCertificate(
            f"{name}-generated", f"stackyard {scope.stack}", args.hosts, child
        )
        secret = core.Secret(
            f"{name}-secret",
            metadata=scope.metadata(name, "app"),
            type="kubernetes.io/tls",
            string_data={"tls.crt": made.certificate, "tls.key": made.key},
            opts=child,
        )
        self.secret, self.ca = secret.metadata.name.apply(str), made.ca

    def _asked_for(self, name: str, args: CertificateArgs) -> None:
        scope, settings = args.scope, args.settings
        spec: dict[str, Any] = {
            "secretName": name,
            "issuerRef": {
                "group": "cert-manager.io",
                "kind": settings.issuer_kind,
                "name": settings.issuer,
            },
            "dnsNames": [host for host in args.hosts if not is_address(host)],
            "ipAddresses": [host for host in args.hosts if is_address(host)],
            "usages": ["server auth", "digital signature"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        }
        k8s.apiextensions.CustomResource(
            f"{name}-certificate",
            api_version=CERT_MANAGER,
            kind="Certificate",
            metadata=scope.metadata(name, "app"),
            spec={key: value for key, value in spec.items() if value},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.secret = pulumi.Output.from_input(name)
