"""JSON to one endpoint of one stage: whole replies and streams, in time or with a StageError."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from yarl import URL

from pipelines.errors import RETRYABLE_STATUSES, Failure, Stage, StageError
from pipelines.transport.session import CONNECT_SECONDS, Lease, lease, release

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
        self._timeout = _timeout(deadline)
        self._lease: Lease | None = None

    async def post(self, body: bytes) -> bytes:
        """Return the reply's body. Raises StageError."""
        held = self._held()
        await self._turn(held)
        try:
            return await self._tried(held, body, self._whole)
        finally:
            held.line.turns.release()

    @asynccontextmanager
    async def stream(self, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the reply's bytes as they come; leaving early hangs up. Raises StageError.

        The deadline holds for the first byte, and again between any two reads.
        """
        held = self._held()
        await self._turn(held)
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._tried(held, body, self._opened)
            yield response.content.iter_any()
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            # Too late to try again: a part of it was given out.
            failure = _failure(error)
            held.line.circuit.failed()
            raise StageError(self.stage, failure) from error
        finally:
            if response is not None:
                response.close()
            held.line.turns.release()

    def odd_answer(self) -> StageError:
        """Return the error for a 200 that holds something else than it should."""
        return StageError(self.stage, Failure("answer"))

    async def close(self) -> None:
        """Give the session back; the next call takes it again."""
        self._lease = None
        await release(self)

    def _held(self) -> Lease:
        loop = asyncio.get_running_loop()
        if self._lease is None or self._lease.loop is not loop or self._lease.session.closed:
            self._lease = lease(self, self._url)
        return self._lease

    async def _turn(self, held: Lease) -> None:
        turns = held.line.turns
        if not turns.locked():
            await turns.acquire()
            return
        try:
            async with asyncio.timeout(self.deadline):
                await turns.acquire()
        except TimeoutError as error:
            raise StageError(self.stage, Failure("timeout")) from error

    async def _whole(
        self, held: Lease, body: bytes, timeout: aiohttp.ClientTimeout
    ) -> bytes | Failure:
        async with held.session.request(
            self._method,
            self._url,
            data=body,
            headers=self._headers,
            timeout=timeout,
            proxy=held.line.proxy,
            allow_redirects=False,
        ) as response:
            return await response.read() if response.status == 200 else _refusal(response)

    async def _opened(
        self, held: Lease, body: bytes, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse | Failure:
        between_reads = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=timeout.total
        )
        response = await held.session.post(
            self._url,
            data=body,
            headers=self._headers,
            timeout=between_reads,
            proxy=held.line.proxy,
            allow_redirects=False,
        )
        if response.status == 200:
            return response
        response.close()
        return _refusal(response)

    async def _tried(
        self,
        held: Lease,
        body: bytes,
        send: Callable[[Lease, bytes, aiohttp.ClientTimeout], Awaitable[T | Failure]],
    ) -> T:
        circuit = held.line.circuit
        if wait := circuit.wait_seconds():
            raise StageError(self.stage, Failure("resting", retry_after=wait))
        ends = held.loop.time() + self.deadline
        timeout = self._timeout
        attempt = 0
        while True:
            attempt += 1
            cause: BaseException | None = None
            try:
                result = await send(held, body, timeout)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                failure, cause = _failure(error), error
            else:
                if not isinstance(result, Failure):
                    circuit.succeeded()
                    return result
                failure = result
            if not failure.retryable:
                # It answers; that it does not like the question is no sign of ill health.
                circuit.succeeded()
                raise StageError(self.stage, failure) from cause
            pause = _pause(attempt, failure)
            left = ends - held.loop.time() - pause
            if attempt == self.attempts or left <= 0 or not circuit.may_retry():
                circuit.failed()
                raise StageError(self.stage, failure) from cause
            await asyncio.sleep(pause)
            timeout = _timeout(left)


def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)


def _failure(error: BaseException) -> Failure:
    # A connection that never opens is a service that is away, not one that is slow.
    slow = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)
    return Failure("timeout" if slow else "unreachable")


def _refusal(response: aiohttp.ClientResponse) -> Failure:
    status = response.status
    asked = response.headers.get("Retry-After", "") if status in RETRYABLE_STATUSES else ""
    # Dates are left out: the clocks of two machines differ by more than such a pause.
    retry_after = float(asked) if asked.isdigit() else None
    return Failure("status", status, retry_after=retry_after)


def _pause(attempt: int, failure: Failure) -> float:
    backoff = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
    return backoff + (failure.retry_after or 0.0)
