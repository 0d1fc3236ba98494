"""Clocks that do not agree: the identity provider's is ahead of the app's, or behind it."""

import json
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.chaos.seen import Seen
from tests.chaos.yard import yard

ISSUER, AUDIENCE = "https://id.example", "stackyard"
MINUTES = 5  # that a token holds
TAKEN = (-45, 0, 45)  # seconds that the provider's clock is ahead
# ahead: tokens are of the future. Behind: they have ended, as one of MINUTES before has
REFUSED = (90, -90)


def clock_skew(folder: Path, _scale: int) -> Seen:
    """Show tokens that were signed by other clocks, new ones and such as end now."""
    private = Ed25519PrivateKey.generate()
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key()))
    keys = folder / "provider-keys"
    keys.write_text(json.dumps({"keys": [{**public, "kid": "1", "use": "sig", "alg": "EdDSA"}]}))

    def token(ahead: int) -> str:
        """Return a new token of a clock that is ahead, an ending one where it is behind."""
        issued = int(time.time()) + ahead - (MINUTES * 60 if ahead < 0 else 0)
        times = {"iat": issued, "nbf": issued, "exp": issued + MINUTES * 60}
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", **times}
        return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": "1"})

    with yard(
        folder,
        RAG_OIDC_ISSUER=ISSUER,
        RAG_OIDC_AUDIENCE=json.dumps([AUDIENCE]),
        RAG_OIDC_KEYS_FILE=str(keys),
    ) as it:
        found: dict[int, int] = {}
        for ahead in (*TAKEN, *REFUSED):
            with it.app.client(token(ahead)) as client:
                found[ahead] = client.get("/v1/models").status_code
    kept = found == dict.fromkeys(TAKEN, 200) | dict.fromkeys(REFUSED, 401)
    said = ", ".join(f"{ahead:+d} s: {status}" for ahead, status in found.items())
    return Seen(kept, said, {})
