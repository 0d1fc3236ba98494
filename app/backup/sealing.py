"""A backup that only its key opens: AES-256-GCM in pieces, with a head that says whose key.

The file, numbers big-endian:

    19 bytes   MAGIC
     8         which key, as `Key.id`
    32         salt: the file's own key is HKDF-SHA256(key, salt, MAGIC)
     8         length of what is sealed
               pieces of 1 MiB, the last one shorter, each with its tag of 16 bytes after it
    32         SHA-256 of all before, by which whoever has no key finds a damaged copy

The nonce of a piece is its number, and all of the head is authenticated with each: a piece that
is cut off, changed, moved or taken from another file does not open. With a key of its own for
every file no nonce comes twice.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.backup.archive import BadArchive, Source

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"stackyard sealed 1\n"
ID, SALT, LENGTH, TAG, DIGEST = 8, 32, 8, 16, 32
HEAD = len(MAGIC) + ID + SALT + LENGTH
PIECE = 2**20
KEY = 32
NONCE = 12
PLAIN, SEALED = ".tar", ".tar.sealed"  # what the names of backups end in


class WrongKey(Exception):
    """The backup is sealed with a key that is not among those given."""


@dataclass(frozen=True)
class Key:
    """One key; its id tells keys apart and nothing of the secret."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hmac.digest(self.secret, b"stackyard backup key id", "sha256")[:ID].hex()


def keys_in(text: str) -> tuple[Key, ...]:
    """Return the keys of a text: each 32 bytes in base64, separated by commas or white space.

    Raises ValueError without a word of what was given.
    """
    found = []
    for number, each in enumerate(text.replace(",", " ").split(), start=1):
        try:
            secret = base64.b64decode(each, validate=True)
        except binascii.Error:
            secret = b""
        if len(secret) != KEY:
            message = f"key {number} is not {KEY} bytes in base64"
            raise ValueError(message)
        found.append(Key(secret))
    return tuple(found)


def sealed(pieces: Iterator[bytes], size: int, key: Key) -> Iterator[bytes]:
    """Yield the sealed file of `size` bytes that come in pieces of any size."""
    salt = os.urandom(SALT)
    head = MAGIC + bytes.fromhex(key.id) + salt + size.to_bytes(LENGTH, "big")
    cipher, digest = _cipher(key, salt), hashlib.sha256(head)
    yield head
    for number, piece in enumerate(_of_one_size(pieces)):
        out = cipher.encrypt(_nonce(number), piece, head)
        digest.update(out)
        yield out
    yield digest.digest()


def sealed_size(size: int) -> int:
    """Return how many bytes `sealed` yields of so many."""
    return HEAD + size + -(-size // PIECE) * TAG + DIGEST


class Opener:
    """Opens what comes piece by piece.

    A backup that is not sealed goes through as it is where there are no keys, or with `plain`:
    anybody can make one, with an admin's key of their own in it.
    """

    def __init__(self, keys: Sequence[Key], *, plain: bool = False) -> None:
        self._keys = {each.id: each for each in keys}
        self._takes_plain = plain or not keys
        self._waiting = bytearray()
        self._plain = False
        self._head = b""
        self._cipher: AESGCM | None = None
        self._left = 0  # bytes of what is sealed that were not opened yet
        self._number = 0
        self._digest = hashlib.sha256()

    def feed(self, piece: bytes) -> bytes:
        """Return what can be read now. Raises WrongKey, or BadArchive where it was changed."""
        self._waiting += piece
        if self._plain or (self._cipher is None and not self._begun()):
            return self._taken(len(self._waiting) if self._plain else 0)
        out = []
        while self._left and len(self._waiting) >= (wanted := min(PIECE, self._left)) + TAG:
            out.append(self._opened(self._taken(wanted + TAG)))
            self._left -= wanted
        if not self._left and len(self._waiting) > DIGEST:
            message = "something follows its end"
            raise BadArchive(message)
        return b"".join(out)

    def finish(self) -> None:
        """Raise BadArchive where what came is not all."""
        if self._plain:
            return
        if self._cipher is None or self._left or len(self._waiting) < DIGEST:
            message = "it is cut"
            raise BadArchive(message)
        if self._waiting != self._digest.digest():
            message = "its end is damaged"
            raise BadArchive(message)

    def _begun(self) -> bool:
        """Read the head, as soon as it is there."""
        begin = self._waiting[: len(MAGIC)]
        if begin != MAGIC[: len(begin)]:
            if not self._takes_plain:
                message = (
                    "it is not sealed, and this stack has backupKeys: whoever can write where"
                    " backups lie can have made it. Where you know whose it is, say so by"
                    " `stackyard restore --plain` (`?plain=true`)"
                )
                raise BadArchive(message)
            self._plain = True
            return False
        if len(self._waiting) < HEAD:
            return False
        self._head = self._taken(HEAD)
        key_id, salt, self._left = _read_head(self._head)
        key = self._keys.get(key_id)
        if key is None:
            held = ", ".join(self._keys) or "none"
            message = f"it is sealed with key {key_id}, and the keys here are: {held}"
            raise WrongKey(message)
        self._cipher = _cipher(key, salt)
        self._digest.update(self._head)
        return True

    def _opened(self, piece: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        assert self._cipher is not None
        self._digest.update(piece)
        try:
            plain = self._cipher.decrypt(_nonce(self._number), piece, self._head)
        except InvalidTag:
            message = f"piece {self._number} is damaged, or not in its place"
            raise BadArchive(message) from None
        self._number += 1
        return plain

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken


def whole(file: Source) -> str:
    """Read a sealed backup without its key; return the key's id. Raises BadArchive."""
    head = file.read(HEAD)
    if len(head) < HEAD or not head.startswith(MAGIC):
        message = "it is cut or not sealed"
        raise BadArchive(message)
    key_id, _, size = _read_head(head)
    digest, left = hashlib.sha256(head), sealed_size(size) - HEAD - DIGEST
    while left and (piece := file.read(min(PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    if file.read(DIGEST) != digest.digest() or file.read(1):
        message = "it is damaged or cut: its hash is not the one at its end"
        raise BadArchive(message)
    return key_id


def _read_head(head: bytes) -> tuple[str, bytes, int]:
    """Return the id of the key, the salt and the length."""
    rest = head[len(MAGIC) :]
    return rest[:ID].hex(), rest[ID : ID + SALT], int.from_bytes(rest[ID + SALT :], "big")


def _cipher(key: Key, salt: bytes) -> "AESGCM":
    # here, because the app's idle memory has no room for what few stacks use
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), KEY, salt, MAGIC).derive(key.secret))


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE, "big")


def _of_one_size(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)
