"""How pods that call out do so: which authorities they trust, and by which proxy they go."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from infra.labels import labels
from infra.reach import no_proxy, proxies
from infra.schema import Settings

FOLDER, FILE = "/etc/stackyard/ca", "ca.crt"
# OpenSSL, Go and Rust read the first, Python's requests the second; either replaces the system's
TRUST = {"SSL_CERT_FILE": f"{FOLDER}/{FILE}", "REQUESTS_CA_BUNDLE": f"{FOLDER}/{FILE}"}
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class Outward:
    """Variables, files and volumes for the pods of one namespace."""

    proxy: Mapping[str, str] = field(default_factory=dict)
    ca: pulumi.Output[str] | None = None  # the ConfigMap's name

    @property
    def environment(self) -> dict[str, str]:
        return {**(TRUST if self.ca is not None else {}), **self.proxy}

    @property
    def mounts(self) -> list[k8s.core.v1.VolumeMountArgs]:
        if self.ca is None:
            return []
        return [core.VolumeMountArgs(name="ca", mount_path=FOLDER, read_only=True)]

    @property
    def volumes(self) -> list[k8s.core.v1.VolumeArgs]:
        if self.ca is None:
            return []
        return [core.VolumeArgs(name="ca", config_map=core.ConfigMapVolumeSourceArgs(name=self.ca))]


def ca_map(
    name: str,
    stack: str,
    namespace: pulumi.Input[str],
    text: pulumi.Input[str] | None,
    parent: pulumi.Resource,
) -> pulumi.Output[str] | None:
    """Make the ConfigMap of the authorities and return its name; None where there are none.

    It has a new name for a new content, so that pods which name it are started anew.
    """
    if text is None:
        return None
    made = core.ConfigMap(
        name,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            namespace=namespace, labels=labels("ca", "registry", stack)
        ),
        data={FILE: text},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return made.metadata.name.apply(str)


def proxy_environment(settings: Settings) -> dict[str, str]:
    """Return the variables of the stack's proxy, in both spellings; none without a proxy."""
    found = {f"{scheme}_proxy": address for scheme, address in proxies(settings).items()}
    if not found:
        return {}
    found["no_proxy"] = no_proxy(settings)
    return {**found, **{name.upper(): value for name, value in found.items()}}
