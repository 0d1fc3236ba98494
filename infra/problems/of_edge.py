"""Pure, but for looking at a file: what is wrong with how callers come in."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from infra.problems.telling import PROJECT, alias_of, hint, only
from infra.schema import AppSettings, Settings
from infra.schema.edge_choices import app_scheme, behind_proxy, public_hosts

# a prefix this short is no list of one's own proxies
WIDEST = {4: 8, 6: 16}
# the settings of app.tls that only some modes have
OF_MODE = {
    "secret_name": ("secret",),
    "issuer": ("certManager",),
    "issuer_kind": ("certManager",),
    "hosts": ("selfSigned", "certManager"),
    "ca": ("secret", "certManager"),
}
OF_EXPOSURE = {
    "class_": ("Ingress",),
    "gateway": ("Gateway",),
    "gateway_namespace": ("Gateway",),
    "listener": ("Gateway",),
}


def edge_problems(settings: Settings) -> Iterator[str]:
    """Yield a problem for each way in that cannot work, or that lets keys travel in plain."""
    app = settings.app
    if settings.cluster.kind == "local":
        yield from _local(app)
    else:
        yield from _published(app)
        yield from _behind(app)
    yield from _certificate(settings)
    yield from _misplaced(app)
    yield from _ranges("app.trustedProxies", app.trusted_proxies)
    yield from _ranges("app.edge.controllerAddresses", app.edge.controller_addresses)


def _local(app: AppSettings) -> Iterator[str]:
    if app.expose not in (None, "NodePort"):
        yield (
            f"{PROJECT}:app.expose: is '{app.expose}'; a local cluster is reached by 'NodePort'"
            f"\n      hint: pulumi config rm --path '{PROJECT}:app.expose'"
        )
    for name in ("node_port", "url"):
        if name in app.model_fields_set:
            alias = alias_of(type(app), name)
            yield only(f"app.{alias}", getattr(app, name), "cluster.kind 'existing' or 'eks'")
    if app.tls.mode in ("secret", "certManager"):
        yield (
            f"{PROJECT}:app.tls.mode: is '{app.tls.mode}'; a local cluster has neither your Secret "
            f"nor cert-manager\n{hint('app.tls.mode', 'selfSigned')}"
        )


def _published(app: AppSettings) -> Iterator[str]:
    if app.node_port is not None and app.expose != "NodePort":
        yield only("app.nodePort", app.node_port, "app.expose 'NodePort'")
    if app.expose == "NodePort" and app.url is None:
        yield (
            f"{PROJECT}:app.url: is not set; with app.expose 'NodePort' it is the address that "
            f"users call\n{hint('app.url', f'{app_scheme(app)}://NODE:30080')}"
        )
    if app.url is None:
        return
    plain = app.url.startswith("http://")
    if plain and (behind_proxy(app) or app_scheme(app) == "https"):
        reason = f"app.expose '{app.expose}'" if behind_proxy(app) else "app.tls.mode"
        yield (
            f"{PROJECT}:app.url: is '{app.url}'; with {reason} callers come by https\n"
            f"{hint('app.url', app.url.replace('http://', 'https://'))}"
        )


def _certificate(settings: Settings) -> Iterator[str]:
    app, tls = settings.app, settings.app.tls
    for field, modes in OF_MODE.items():
        if field in tls.model_fields_set and tls.mode not in modes:
            needed = " or ".join(f"'{mode}'" for mode in modes)
            alias = alias_of(type(tls), field)
            yield only(f"app.tls.{alias}", getattr(tls, field), f"app.tls.mode {needed}")
    if tls.mode == "secret" and tls.secret_name is None:
        yield (
            f"{PROJECT}:app.tls.secretName: is not set; with app.tls.mode 'secret' it names the "
            f"certificate's Secret\n{hint('app.tls.secretName', 'NAME')}"
        )
    if tls.mode == "certManager":
        if tls.issuer is None:
            yield (
                f"{PROJECT}:app.tls.issuer: is not set; with app.tls.mode 'certManager' it is who "
                f"signs\n{hint('app.tls.issuer', 'NAME')}"
            )
        if not public_hosts(app):
            yield (
                f"{PROJECT}:app.tls.hosts: is not set; with app.tls.mode 'certManager' it is what "
                f"the certificate is for\n{hint('app.tls.hosts[0]', 'rag.example.com')}"
            )
    if tls.ca is not None and tls.mode in OF_MODE["ca"]:
        yield from _authority(tls.ca)


def _authority(path: str) -> Iterator[str]:
    where = f"{PROJECT}:app.tls.ca: is '{path}', which"
    again = hint("app.tls.ca", "PATH")
    try:
        text = Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        yield f"{where} cannot be read: {why}\n{again}"
        return
    if "-----BEGIN CERTIFICATE-----" not in text:
        yield f"{where} has no certificate in PEM form\n{again}"
    if "PRIVATE KEY" in text:
        yield f"{where} has a private key; the output `ca` is for everybody\n{again}"


def _misplaced(app: AppSettings) -> Iterator[str]:
    edge = app.edge
    for field in type(edge).model_fields:
        exposures = OF_EXPOSURE.get(field, ("Ingress", "Gateway"))
        if field in edge.model_fields_set and app.expose not in exposures:
            needed = " or ".join(f"'{each}'" for each in exposures)
            alias = alias_of(type(edge), field)
            yield only(f"app.edge.{alias}", getattr(edge, field), f"app.expose {needed}")


def _behind(app: AppSettings) -> Iterator[str]:
    edge = app.edge
    if not behind_proxy(app):
        return
    needed_here = {"host": "rag.example.com"}
    if app.expose == "Gateway":
        needed_here |= {"gateway": "NAME", "gateway_namespace": "NAMESPACE"}
    for field, example in needed_here.items():
        if getattr(edge, field) is None:
            alias = alias_of(type(edge), field)
            yield (
                f"{PROJECT}:app.edge.{alias}: is not set; app.expose '{app.expose}' needs it\n"
                f"{hint(f'app.edge.{alias}', example)}"
            )
    if edge.controller_namespace is None and not edge.controller_addresses:
        yield (
            f"{PROJECT}:app.edge.controllerNamespace: is not set; with app.expose '{app.expose}' "
            "only its pods may call the app\n"
            f"{hint('app.edge.controllerNamespace', 'ingress-nginx')}"
        )
    yield from _ending(app)


def _ending(app: AppSettings) -> Iterator[str]:
    """Yield a problem where nobody ends TLS, or two would."""
    if app.expose == "Ingress" and app.tls.mode == "none":
        yield (
            f"{PROJECT}:app.tls.mode: is 'none'; with app.expose 'Ingress' keys would travel in "
            f"plain\n{hint('app.tls.mode', 'certManager')}"
        )
    if app.expose != "Gateway":
        return
    if app.edge.passthrough and app.tls.mode == "none":
        yield (
            f"{PROJECT}:app.edge.passthrough: is true; the app needs a certificate for that\n"
            f"{hint('app.tls.mode', 'certManager')}"
        )
    if not app.edge.passthrough and app.tls.mode != "none":
        yield (
            f"{PROJECT}:app.tls.mode: is '{app.tls.mode}'; the gateway's listener has the "
            f"certificate, unless it passes TLS on\n{hint('app.edge.passthrough', 'true')}"
        )


def _ranges(key: str, given: list[str]) -> Iterator[str]:
    for index, block in enumerate(given):
        try:
            network = ipaddress.ip_network(block)
        except ValueError as error:
            problem = f"{PROJECT}:{key}: has '{block}'; {error}"
            yield f"{problem}\n{hint(f'{key}[{index}]', '10.0.0.0/8')}"
            continue
        if network.prefixlen < WIDEST[network.version]:
            yield (
                f"{PROJECT}:{key}: has '{block}'; that is everybody\n"
                f"{hint(f'{key}[{index}]', '10.0.0.0/8')}"
            )
