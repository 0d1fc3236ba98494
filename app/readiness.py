"""Which back ends are there: all asked at once, the answer kept for a moment."""

import asyncio
import logging
import time
from dataclasses import dataclass

import httpx

from app.served import Confirm
from pipelines.certificates import refusal

log = logging.getLogger("app.readiness")
PROBE_SECONDS = 2.0
CONFIRM_SECONDS = 1.0
KEPT_SECONDS = 2.0
TRUSTED = "RAG_CA_FILE has the authorities that are trusted besides the public ones"


@dataclass(frozen=True)
class Backend:
    """Something that answers depend on; `paths` are tried until one is known there."""

    name: str
    url: str
    paths: tuple[str, ...]
    headers: dict[str, str]
    confirm: Confirm | None = None  # asked once it answers, until it finds nothing wrong


class Readiness:
    """Ask every back end, at most once in KEPT_SECONDS however many callers look."""

    def __init__(self, backends: list[Backend]) -> None:
        self._backends = backends
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None
        self._until = 0.0
        self._missing: list[dict[str, str]] = []
        self._confirmed: set[str] = set()
        self._refused: dict[str, str] = {}
        self.leaving = False

    async def missing(self) -> list[dict[str, str]]:
        """Return name and reason of every back end that is not ready."""
        if self.leaving:
            return [{"name": "app", "reason": "is stopping"}]
        async with self._lock:
            if time.monotonic() >= self._until:
                reasons = await asyncio.gather(*(self._probe(each) for each in self._backends))
                self._missing = [
                    {"name": backend.name, "reason": reason}
                    for backend, reason in zip(self._backends, reasons, strict=True)
                    if reason is not None
                ]
                self._until = time.monotonic() + KEPT_SECONDS
            return self._missing

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _probe(self, backend: Backend) -> str | None:
        if self._client is None:
            self._client = httpx.AsyncClient()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                for path in backend.paths:
                    response = await self._client.get(
                        backend.url + path, headers=backend.headers, timeout=PROBE_SECONDS
                    )
                    self._refused.pop(backend.name, None)
                    if response.status_code != 404:
                        return _reason(response.status_code) or await self._wrong(backend)
                return "answers 404 to every known probe"
        except (TimeoutError, httpx.TimeoutException):
            return f"did not answer within {PROBE_SECONDS:g} s"
        except httpx.HTTPError as error:
            return self._away(backend, refusal(error))

    def _away(self, backend: Backend, why: str | None) -> str:
        if why is None:
            return "cannot be reached"
        if self._refused.get(backend.name) != why:  # once, not at every look
            host = httpx.URL(backend.url).netloc.decode()
            told = {"backend": backend.name, "host": host, "why": why, "hint": TRUSTED}
            log.error("a certificate is refused", extra=told)
            self._refused[backend.name] = why
        return f"shows a certificate that {why}"

    async def _wrong(self, backend: Backend) -> str | None:
        """Return what is wrong with a back end that answers; one too slow to ask is asked later."""
        if backend.confirm is None or backend.name in self._confirmed or self._client is None:
            return None
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                found = await backend.confirm(self._client, backend.headers)
        except (TimeoutError, httpx.HTTPError):
            return None
        except (KeyError, IndexError, TypeError, ValueError) as error:
            log.info("not confirmed", extra={"backend": backend.name, "why": type(error).__name__})
            found = None
        if found is None:
            self._confirmed.add(backend.name)
        else:
            log.error(
                "a back end is not what the stack says",
                extra={"backend": backend.name, "why": found},
            )
        return found


def _reason(status: int) -> str | None:
    if status < 400:
        return None
    if status in (401, 403):
        return f"refuses our key ({status})"
    return f"answers {status}"
