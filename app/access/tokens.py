"""The text of an API key: `sy_<id>_<secret>`; the id may be shown, the secret only once."""

import hashlib
import secrets

ID_BYTES, SECRET_BYTES, SALT_BYTES = 6, 32, 16
PREFIX = b"sy_"
LONGEST = 200


def new_id() -> str:
    return secrets.token_hex(ID_BYTES)


def new_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def written(key_id: str, secret: str) -> str:
    return f"{PREFIX.decode()}{key_id}_{secret}"


def parted(presented: bytes) -> tuple[str, bytes] | None:
    """Return id and secret of what looks like a key of ours; None for anything else."""
    if not presented.startswith(PREFIX) or len(presented) > LONGEST:
        return None
    key_id, mark, secret = presented[len(PREFIX) :].partition(b"_")
    if not mark or not key_id.isalnum() or not key_id.isascii():
        return None
    return key_id.decode("ascii"), secret


def digest(secret: bytes, salt: bytes) -> bytes:
    """Return the salted hash. The secret has 256 random bits, so a fast hash cannot be searched."""
    return hashlib.blake2b(secret, salt=salt, digest_size=32).digest()
