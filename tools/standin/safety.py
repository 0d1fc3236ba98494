"""Where the stand-in may work: on our own local clusters, on state that it made itself."""

import ipaddress
import os
from urllib.parse import urlsplit

from tools.standin.errors import NotOursError
from tools.standin.wire import Manifest

OFFICIAL_VERSION = "4.34.2"
INSTALL = f"pulumi plugin install resource kubernetes {OFFICIAL_VERSION}"
CONTEXT_PREFIX = "kind-stackyard-"
# Only tests set this: they drive other cluster kinds against a cluster of our own.
OVERRIDE = "STACKYARD_STANDIN_ANY_CLUSTER"
MARKER = "__standIn"
NOTICE = (
    "Kubernetes provider: stackyard's stand-in (local clusters only), because the official plugin "
    f"was neither found nor downloaded; the official one: {INSTALL}"
)


def is_loopback(server: str) -> bool:
    """Tell whether the server's address is this machine."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_other_clusters(context: str, server: str) -> None:
    """Raise unless this is a kind cluster of ours on this machine."""
    if os.environ.get(OVERRIDE) == "1":
        return
    if context.startswith(CONTEXT_PREFIX) and is_loopback(server):
        return
    message = (
        f'context "{context}" with server "{server}" is not a local stackyard cluster: '
        f'the stand-in Kubernetes provider works on contexts "{CONTEXT_PREFIX}..." at a loopback '
        f"address only, any other cluster needs the official plugin\nhint: {INSTALL}"
    )
    raise NotOursError(message)


def refuse_foreign_state(state: Manifest, urn: str) -> None:
    """Raise where the official plugin wrote the state: it must also change it."""
    if not state or MARKER in state:
        return
    message = (
        f'the state of "{urn.rsplit("::", 1)[-1]}" was not written by the stand-in Kubernetes '
        f"provider but by the official plugin, which must also change it\nhint: {INSTALL}"
    )
    raise NotOursError(message)
