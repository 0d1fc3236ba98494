"""The public keys of an identity provider: from a file, or from where its discovery says.

Keys rotate: a token signed with a key that is not known makes us look again, at most every ten
seconds. While the provider is away the keys of the last time hold.
"""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from app.access.discovery import AGAIN_SECONDS, FRESH_SECONDS, TIMEOUT, asked, discovered, named

log = logging.getLogger("app.access")
# a document that is none of keys ends in any of these
UNREADABLE = (
    httpx.HTTPError, OSError, ValueError, TypeError, LookupError, AttributeError, PyJWTError,
)  # fmt: skip


class KeysUnavailable(Exception):
    """There are no keys yet to check a token with."""


class KeySet:
    """Belongs to one event loop; `version` changes when the keys do."""

    def __init__(self, issuer: str, file: Path | None) -> None:
        self._issuer = issuer
        self._file = file
        self._keys: dict[str | None, PyJWK] = {}
        self._looked = float("-inf")
        self._read: object = None
        self._lock = asyncio.Lock()
        self.version = 0

    async def key(self, key_id: str | None) -> PyJWK | None:
        """Return the key of that id, or the only one there is for a token that names none."""
        since = time.monotonic() - self._looked
        if since > FRESH_SECONDS or (self._find(key_id) is None and since > AGAIN_SECONDS):
            async with self._lock:
                if time.monotonic() - self._looked > min(since, AGAIN_SECONDS):
                    await self._look()
        if not self._keys:
            raise KeysUnavailable
        return self._find(key_id)

    def _find(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    async def _look(self) -> None:
        try:
            read = await (self._of_file() if self._file else self._of_provider())
            keys = {key.key_id: key for key in PyJWKSet.from_dict(read).keys}
        except UNREADABLE as error:
            log.warning("no keys of the provider", extra={"error": type(error).__name__})
            self._looked = time.monotonic()
            return
        self._looked = time.monotonic()
        if read != self._read:
            self._keys, self._read = keys, read
            self.version += 1
            log.info("keys of the provider read", extra={"keys": len(keys)})

    async def _of_file(self) -> dict[str, Any]:
        assert self._file is not None
        text = await asyncio.to_thread(self._file.read_bytes)
        read: dict[str, Any] = orjson.loads(text)
        return read

    async def _of_provider(self) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
            found = await discovered(client, self._issuer)
            where = named(found, "jwks_uri", self._issuer)
            status, said = await asked(client, "GET", where)
        read: dict[str, Any] = said
        if status != 200:
            msg = f"the keys' address answers {status}"
            raise ValueError(msg)
        return read
