"""Certificates of the services that only pods call: one each, with an authority of its own.

What runs in the cluster signs nothing; a renewal is an `up`, as for the certificate of callers.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.components.generated_certificate import GeneratedCertificate
from infra.components.pod import mount, secret_volume
from infra.components.scope import Scope

FOLDER = "/etc/inside-tls"
CERTIFICATE, KEY, CA = f"{FOLDER}/tls.crt", f"{FOLDER}/tls.key", f"{FOLDER}/ca.crt"
core = k8s.core.v1


class InsideTls(pulumi.ComponentResource):
    """`certificates` by service; `ca` are the authorities of all, for those who call them."""

    certificates: dict[str, GeneratedCertificate]
    ca: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        hosts: Mapping[str, Sequence[str]],
        calling: Sequence[str] = (),  # those that call their like
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stackyard:index:InsideTls", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.certificates = {
            service: GeneratedCertificate(
                f"{name}-{service}", f"{service} of {stack}", names, child, calls=service in calling
            )
            for service, names in hosts.items()
        }
        authorities = [each.ca for each in self.certificates.values()]
        self.ca = pulumi.Output.all(*authorities).apply("".join)
        self.register_outputs({})


def shown(
    name: str,
    component: str,
    scope: Scope,
    certificate: GeneratedCertificate | None,
    parent: pulumi.Resource,
) -> tuple[list[k8s.core.v1.VolumeArgs], list[k8s.core.v1.VolumeMountArgs]]:
    """Return the volume and mount of a service's certificate; none where it has none.

    The Secret has a new name for a new content: a renewal starts the pods anew.
    """
    if certificate is None:
        return [], []
    secret = core.Secret(
        f"{name}-tls",
        metadata=scope.unnamed(name, component),
        type="kubernetes.io/tls",
        string_data={
            "tls.crt": certificate.certificate,
            "tls.key": certificate.key,
            "ca.crt": certificate.ca,
        },
        opts=pulumi.ResourceOptions(parent=parent),
    )
    volumes = [secret_volume("inside-tls", secret.metadata.name)]
    return volumes, [mount("inside-tls", FOLDER, read_only=True)]
