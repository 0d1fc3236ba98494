"""The first keys, from a mounted file that is read again when it changes; each is an admin's."""

import hashlib
import hmac
import logging
from pathlib import Path

from app.access.identity import Identity
from app.settings import SettingsProblem

log = logging.getLogger("app.keys")
Stamp = tuple[int, int, int]


ADMIN = Identity(subject="admin", role="admin", via="file", credential="first-key")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class KeyRing:
    """Compare a presented key with all keys of a file in constant time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._digests = self._read()
        if not self._digests:
            message = (
                f"1 problem(s) in the environment\n  RAG_API_KEYS_FILE: {str(path)!r} holds no key"
                "\nhint: write one key per line into it"
            )
            raise SettingsProblem(message)

    def accepts(self, presented: bytes) -> bool:
        self._refresh()
        candidate = _digest(presented)
        # Every key is compared, so the time says nothing about which one came close.
        matches = [hmac.compare_digest(candidate, digest) for digest in self._digests]
        return any(matches)

    def find(self, presented: bytes) -> Identity | None:
        """Return who a key is for, if it is one of these."""
        return ADMIN if self.accepts(presented) else None

    def _refresh(self) -> None:
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._digests, self._stamp = self._read(), stamp
        except OSError as error:
            # A mounted Secret is swapped by renaming links; until it is back the last keys hold.
            log.warning("keys file unreadable", extra={"error": type(error).__name__})
            return
        log.warning("keys file read again", extra={"keys": len(self._digests)})

    def _look(self) -> Stamp:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> list[bytes]:
        lines = self._path.read_bytes().splitlines()
        return [_digest(line.strip()) for line in lines if line.strip()]
