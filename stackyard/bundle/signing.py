"""Signatures in cosign's own formats, by a key pair and without a network.

A blob's signature is base64 of ECDSA P-256 over SHA-256 in DER, as `cosign sign-blob` writes and
`cosign verify-blob` reads it. An image's is an artefact beside the image, as `cosign sign` makes
it. They are deterministic (RFC 6979): the same bundle signed again has the same bytes.
"""

import base64
import json
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stackyard.errors import Trouble

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
ALGORITHM = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
MAKE_KEY = "stackyard bundle key -o KEYS"


def make_key_pair(folder: Path, passphrase: str | None) -> tuple[Path, Path]:
    """Write bundle.key (PKCS#8, mode 600) and cosign.pub; never over a key that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / "bundle.key", folder / "cosign.pub"
    for path in (private, public):
        if path.exists():
            message = f"{path} is there already; a lost key could not be had again"
            raise Trouble(message, "stackyard bundle key -o ANOTHER-FOLDER")
    key = ec.generate_private_key(ec.SECP256R1())
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    public.write_bytes(public_text(key))
    return private, public


def read_private_key(path: Path, passphrase: str | None) -> ec.EllipticCurvePrivateKey:
    """Return the key of a PEM file. Raises Trouble where it cannot be used."""
    text = _read(path)
    if b"SIGSTORE PRIVATE KEY" in text:
        message = f"{path} is a private key in cosign's own encryption, which only cosign opens"
        hint = (
            "leave --key out, then: cosign sign-blob --yes --tlog-upload=false --key "
            f"{path} --output-signature DIR/bundle.json.sig DIR/bundle.json"
        )
        raise Trouble(message, hint)
    try:
        key = serialization.load_pem_private_key(text, passphrase.encode() if passphrase else None)
    except TypeError:
        wants = "is encrypted" if not passphrase else "is not encrypted"
        message = f"{path} {wants}"
        hint = "--passphrase-file FILE" if not passphrase else "leave --passphrase-file out"
        raise Trouble(message, hint) from None
    except ValueError:
        message = f"{path} is not a private key in PEM, or the passphrase is wrong"
        raise Trouble(message, MAKE_KEY) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        message = f"{path} is not a key on the curve P-256"
        raise Trouble(message, MAKE_KEY)
    return key


def read_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Return the key of a PEM file, as cosign.pub. Raises Trouble where it cannot be used."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except ValueError:
        message = f"{path} is not a public key in PEM"
        raise Trouble(message, "give --key the cosign.pub of whoever made the bundle") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        message = f"{path} is not a key of ECDSA"
        raise Trouble(message, "give --key the cosign.pub of whoever made the bundle")
    return key


def public_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public half as cosign.pub has it."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign(key: ec.EllipticCurvePrivateKey, content: bytes) -> str:
    """Return the signature of some bytes."""
    return base64.b64encode(key.sign(content, ALGORITHM)).decode()


def is_signed(key: ec.EllipticCurvePublicKey, content: bytes, signature: str) -> bool:
    """Tell whether a signature is that of these bytes by this key."""
    try:
        key.verify(base64.b64decode(signature, validate=True), content, ALGORITHM)
    except (InvalidSignature, ValueError):
        return False
    return True


def claim(repository: str, digest: str) -> bytes:
    """Return what cosign signs for an image: the payload of Red Hat's simple signing."""
    told = {
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def signature_tag(digest: str) -> str:
    """Return the tag under which cosign looks for an image's signature."""
    return f"{digest.replace(':', '-')}.sig"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the key {path} cannot be read: {error.strerror}"
        raise Trouble(message, MAKE_KEY) from None
