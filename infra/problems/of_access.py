"""Pure: what is wrong with who may call the service."""

import json
from collections.abc import Iterator

from infra.problems.telling import PROJECT, hint
from infra.schema import Settings


def access_problems(settings: Settings) -> Iterator[str]:
    """Yield a problem for each way in that the app would refuse."""
    oidc = settings.access.oidc
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


def _is_key_set(text: str) -> bool:
    try:
        read = json.loads(text)
    except ValueError:
        return False
    return isinstance(read, dict) and isinstance(read.get("keys"), list) and bool(read["keys"])
