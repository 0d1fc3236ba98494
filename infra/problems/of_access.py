"""Pure: what is wrong with who may call the service."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from infra.problems.telling import PROJECT, hint
from infra.schema import Settings
from infra.schema.edge_choices import behind_proxy

HERE = ("127.0.0.1", "localhost", "::1")


def access_problems(settings: Settings, secrets: frozenset[str]) -> Iterator[str]:
    """Yield a problem for each way in that the app would refuse."""
    oidc = settings.access.oidc
    if "oidcClientSecret" in secrets and (oidc is None or oidc.login is None):
        yield (
            f"{PROJECT}:access.oidc.login.clientId: is not set; oidcClientSecret is its secret\n"
            + hint("access.oidc.login.clientId", "stackyard")
        )
    if oidc is None:
        return
    where = f"{PROJECT}:access.oidc"
    if oidc.keys is None and not oidc.issuer.startswith("https://"):
        yield (
            f"{where}.issuer is '{oidc.issuer}'; over plain HTTP anybody on the way could put"
            " keys of their own in\n" + hint("access.oidc.keys", "'{\"keys\": [...]}'")
        )
    if oidc.keys is not None and not _is_key_set(oidc.keys):
        yield (
            f"{where}.keys is not a JWKS: expected JSON with a list `keys`\n"
            "      hint: it is what the provider's jwks_uri answers"
        )
    if oidc.login is not None:
        yield from _login(settings)


def _login(settings: Settings) -> Iterator[str]:
    oidc, app = settings.access.oidc, settings.app
    where = f"{PROJECT}:access.oidc"
    if oidc is not None and oidc.keys is not None:
        yield (
            f"{where}.keys: is set, so the app does not ask the provider; but {where}.login has a "
            "code exchanged there\n"
            f"      hint: pulumi config rm --path '{where}.keys', or leave out {where}.login"
        )
    if app.url is None:
        if settings.cluster.kind != "local" and not behind_proxy(app):
            yield (
                f"{PROJECT}:app.url: is not set; with {where}.login it is where the provider sends "
                f"browsers back to\n{hint('app.url', 'https://rag.example.org')}"
            )
        return
    url = urlsplit(app.url)
    if url.scheme != "https" and url.hostname not in HERE:
        yield (
            f"{PROJECT}:app.url: is '{app.url}'; with {where}.login browsers get a session, and "
            f"come by https\n{hint('app.url', app.url.replace('http://', 'https://'))}"
        )
    if url.path.strip("/") or url.query:
        yield (
            f"{PROJECT}:app.url: is '{app.url}'; with {where}.login it has no path: cookies are of "
            f"a whole host\n{hint('app.url', f'{url.scheme}://{url.netloc}')}"
        )


def _is_key_set(text: str) -> bool:
    try:
        read = json.loads(text)
    except ValueError:
        return False
    return isinstance(read, dict) and isinstance(read.get("keys"), list) and bool(read["keys"])
