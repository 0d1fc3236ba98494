"""JSON over HTTP to the services behind the pipelines: one session an event loop, bytes in and out.

Connection errors and passing statuses are tried again inside the call's deadline, with full jitter
(AWS Architecture Blog, "Exponential backoff and jitter", 2015) and never sooner than Retry-After.
"""

import asyncio
import random
import time
from collections.abc import Mapping

import aiohttp
import orjson

from pipelines.errors import Failure, Stage, StageError

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
LONGEST_RETRY_AFTER = 30.0
# More than the components' own limits together: those decide how many calls are in flight.
CONNECTIONS = 100


class Transport:
    """Calls of one stage; made without a connection, opened by the first call, closed by its loop.

    `headers` hold the key. Every failure is a StageError.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float,
        attempts: int,
    ) -> None:
        self._stage = stage
        self._headers = {"content-type": "application/json", **(headers or {})}
        self._seconds = seconds
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, url: str, body: bytes) -> bytes:
        """Return the body of a 2xx answer, or raise StageError."""
        deadline = time.monotonic() + self._seconds
        attempt = 0
        while True:
            attempt += 1
            failure, wait = Failure("timeout"), 0.0
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    response = await self._opened().request(method, url, data=body)
                    async with response:
                        if response.status < 300:
                            return await response.read()
                        failure = Failure("status", response.status)
                        wait = _retry_after(response)
            except TimeoutError:
                # The caller has waited long enough.
                raise StageError(self._stage, failure) from None
            except (aiohttp.ClientError, ConnectionError) as error:
                failure = Failure("unreachable")
                if attempt >= self._attempts:
                    raise StageError(self._stage, failure) from error
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
            wait = max(wait, random.uniform(0, pause))
            late = time.monotonic() + wait > deadline
            if attempt >= self._attempts or not failure.retryable or late:
                raise StageError(self._stage, failure)
            await asyncio.sleep(wait)

    async def json(self, method: str, url: str, body: object) -> object:
        """Return the answer read as JSON; numpy arrays may stand in the body."""
        data = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        answer = await self.call(method, url, data)
        try:
            read: object = orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise StageError(self._stage, Failure("answer")) from error
        return read

    def misunderstood(self) -> StageError:
        """Return the error for an answer that is JSON and not what was agreed."""
        return StageError(self._stage, Failure("answer"))

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                headers=self._headers,
                # Ours spans the tries; theirs would be five minutes.
                timeout=aiohttp.ClientTimeout(total=None),
                # As the other clients do: proxies and private authorities of the environment.
                trust_env=True,
            )
        return self._session


def _retry_after(response: aiohttp.ClientResponse) -> float:
    try:
        asked = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), LONGEST_RETRY_AFTER)
