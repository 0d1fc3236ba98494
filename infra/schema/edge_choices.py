"""Pure: what the settings of the edge mean where they leave the choice to us."""

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from infra.schema import AppSettings, ServiceType, Settings


def behind_proxy(app: AppSettings) -> bool:
    """Tell whether callers come through the site's own ingress controller or gateway."""
    return app.expose in ("Ingress", "Gateway")


def service_type(app: AppSettings) -> ServiceType:
    """Return the type of the app's Service; a proxy of the site's needs none but the inner one."""
    if app.expose is None or app.expose == "Ingress" or app.expose == "Gateway":
        return "ClusterIP"
    return app.expose


def app_scheme(app: AppSettings) -> Literal["http", "https"]:
    """Return what the app itself speaks."""
    ends = app.tls.mode != "none" and (not behind_proxy(app) or app.edge.passthrough)
    return "https" if ends else "http"


def public_hosts(app: AppSettings) -> list[str]:
    """Return the names and addresses by which callers mean the service, each once."""
    url = urlsplit(app.url).hostname if app.url is not None else None
    given = [app.edge.host, url, *app.tls.hosts]
    return list(dict.fromkeys(each for each in given if each is not None))


def certificate_hosts(settings: Settings, name: str, namespace: str) -> list[str]:
    """Return what the stack's own certificate is for: callers, the Service, the laptop itself."""
    inside = inside_hosts(name, namespace)
    here = ["localhost", "127.0.0.1"] if settings.cluster.kind == "local" else []
    return list(dict.fromkeys([*public_hosts(settings.app), *inside, *here]))


def inside_hosts(name: str, namespace: str) -> list[str]:
    """Return the names by which pods mean a Service."""
    full = f"{name}.{namespace}.svc"
    return [name, f"{name}.{namespace}", full, f"{full}.cluster.local"]


def is_address(host: str) -> bool:
    """Tell an IP address from a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
