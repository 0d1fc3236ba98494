"""JSON to one endpoint of one stage: whole replies and streams, in time or with a StageError."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from yarl import URL

from pipelines.errors import RETRYABLE_STATUSES, Failure, Stage, StageError
from pipelines.transport.session import Lease, lease, release

T = TypeVar("T")

# Full jitter: a pause is anything between 0 and FIRST_PAUSE * 2**retry seconds.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


class Client:
    """Sends to `url`; `deadline` is the seconds that a call may take with all its attempts.

    `method` is what `post` sends: Qdrant takes points by PUT.
    """

    def __init__(
        self,
        stage: Stage,
        url: str,
        headers: Mapping[str, str],
        *,
        deadline: float,
        attempts: int,
        method: str = "POST",
    ) -> None:
        if attempts < 1:
            msg = f"attempts is {attempts}: expected 1 or more"
            raise ValueError(msg)
        self.stage: Stage = stage
        self.deadline = deadline
        self.attempts = attempts
        self._url = URL(url)
        self._method = method
        self._headers = {"Content-Type": "application/json", **headers}
        self._lease: Lease | None = None

    async def post(self, body: bytes) -> bytes:
        """Return the reply's body. Raises StageError."""

        async def whole(held: Lease) -> bytes:
            async with self._request(held, body) as response:
                self._check(response)
                return await response.read()

        held = self._held()
        try:
            async with asyncio.timeout(self.deadline), held.line.turns:
                return await self._tried(held, whole)
        except TimeoutError as error:
            held.line.circuit.failed()
            raise StageError(self.stage, Failure("timeout")) from error

    @asynccontextmanager
    async def stream(self, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the reply's bytes as they come; leaving early hangs up. Raises StageError.

        The deadline holds for the first byte, and again between any two reads.
        """

        async def opened(held: Lease) -> aiohttp.ClientResponse:
            response = await self._request(held, body)
            try:
                self._check(response)
            except BaseException:
                response.close()
                raise
            return response

        held = self._held()
        response: aiohttp.ClientResponse | None = None
        async with held.line.turns:
            try:
                async with asyncio.timeout(self.deadline) as limit:
                    response = await self._tried(held, opened)
                    yield self._reads(response, limit)
            except TimeoutError as error:
                held.line.circuit.failed()
                raise StageError(self.stage, Failure("timeout")) from error
            except (aiohttp.ClientError, OSError) as error:
                raise StageError(self.stage, Failure("unreachable")) from error
            finally:
                if response is not None:
                    response.close()

    def odd_answer(self) -> StageError:
        """Return the error for a 200 that holds something else than it should."""
        return StageError(self.stage, Failure("answer"))

    async def close(self) -> None:
        """Give the session back; the next call takes it again."""
        self._lease = None
        await release(self)

    async def _reads(
        self, response: aiohttp.ClientResponse, limit: asyncio.Timeout
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while data := await response.content.readany():
            limit.reschedule(loop.time() + self.deadline)
            yield data

    def _held(self) -> Lease:
        loop = asyncio.get_running_loop()
        if self._lease is None or self._lease.loop is not loop or self._lease.session.closed:
            self._lease = lease(self, self._url)
        return self._lease

    def _request(self, held: Lease, body: bytes) -> "aiohttp.client._RequestContextManager":
        return held.session.request(
            self._method,
            self._url,
            data=body,
            headers=self._headers,
            proxy=held.line.proxy,
            allow_redirects=False,
        )

    async def _tried(self, held: Lease, send: Callable[[Lease], Awaitable[T]]) -> T:
        circuit = held.line.circuit
        if wait := circuit.wait_seconds():
            raise StageError(self.stage, Failure("resting", retry_after=wait))
        attempt = 0
        while True:
            attempt += 1
            try:
                result = await send(held)
            except _Refused as refused:
                failure, cause = refused.failure, None
            except (aiohttp.ClientError, ConnectionError) as error:
                failure, cause = Failure("unreachable"), error
            else:
                circuit.succeeded()
                return result
            if not failure.retryable:
                # It answers; that it does not like the question is no sign of ill health.
                circuit.succeeded()
                raise StageError(self.stage, failure) from cause
            pause = _pause(attempt, failure)
            if attempt == self.attempts or pause > self.deadline or not circuit.may_retry():
                circuit.failed()
                raise StageError(self.stage, failure) from cause
            await asyncio.sleep(pause)

    def _check(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status == 200:
            return
        asked = response.headers.get("Retry-After", "") if status in RETRYABLE_STATUSES else ""
        # Dates are left out: the clocks of two machines differ by more than such a pause.
        retry_after = float(asked) if asked.isdigit() else None
        raise _Refused(Failure("status", status, retry_after=retry_after))


class _Refused(Exception):
    """A status that is no answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.status)
        self.failure = failure


def _pause(attempt: int, failure: Failure) -> float:
    backoff = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
    return backoff + (failure.retry_after or 0.0)
