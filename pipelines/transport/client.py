"""JSON to one endpoint of one stage: whole replies and streams, in time or with a StageError."""

import asyncio
import random
from collections.abc import Mapping
from types import TracebackType

from yarl import URL

from pipelines.certificates import refusal
from pipelines.errors import RETRYABLE_STATUSES, Failure, Stage, StageError
from pipelines.transport.session import Lease, lease, release
from pipelines.transport.wire import Reads, Reply

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
        held = await self._turn()
        try:
            calls = _Calls(self, held)
            while True:
                try:
                    reply = await held.wire.whole(body, calls.seconds)
                except (OSError, TimeoutError) as error:
                    await calls.failed(_failure(error), error)
                else:
                    if reply.status == 200:
                        held.line.circuit.succeeded()
                        return reply.body
                    await calls.failed(_refusal(reply))
        finally:
            held.line.turns.release()

    def stream(self, body: bytes) -> "_Stream":
        """Give the reply's bytes as they come; leaving early hangs up. Raises StageError.

        The deadline holds for the first byte, and again between any two reads.
        """
        return _Stream(self, body)

    def odd_answer(self) -> StageError:
        """Return the error for a 200 that holds something else than it should."""
        return StageError(self.stage, Failure("answer"))

    async def close(self) -> None:
        """Give the connections back; the next call takes them again."""
        self._lease = None
        await release(self)

    async def _turn(self) -> Lease:
        loop = asyncio.get_running_loop()
        held = self._lease
        if held is None or held.loop is not loop:
            held = self._lease = lease(self, self._method, self._url, self._headers)
        turns = held.line.turns
        if not turns.locked():
            await turns.acquire()
            return held
        try:
            async with asyncio.timeout(self.deadline):
                await turns.acquire()
        except TimeoutError as error:
            raise StageError(self.stage, Failure("timeout")) from error
        return held


class _Stream:
    """A streamed call, for `async with`."""

    def __init__(self, client: Client, body: bytes) -> None:
        self._client = client
        self._body = body

    async def __aenter__(self) -> Reads:
        self._held = await self._client._turn()
        try:
            self._reads = await self._opened()
        except BaseException:
            self._held.line.turns.release()
            raise
        return self._reads

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._reads.leave()
        self._held.line.turns.release()
        if isinstance(error, OSError):  # TimeoutError is one
            # Too late to try again: a part of it was given out.
            self._held.line.circuit.failed()
            raise StageError(self._client.stage, _failure(error)) from error

    async def _opened(self) -> Reads:
        calls = _Calls(self._client, self._held)
        while True:
            try:
                reply, reads = await self._held.wire.opened(self._body, calls.seconds)
            except (OSError, TimeoutError) as error:
                await calls.failed(_failure(error), error)
            else:
                if reply.status == 200:
                    self._held.line.circuit.succeeded()
                    return reads
                reads.leave()
                await calls.failed(_refusal(reply))


class _Calls:
    """The attempts of one call: how long the next one may take, and whether there is one."""

    def __init__(self, client: Client, held: Lease) -> None:
        self._client = client
        self._circuit = held.line.circuit
        self._loop = held.loop
        self._attempt = 0
        if wait := self._circuit.wait_seconds():
            raise StageError(client.stage, Failure("resting", retry_after=wait))
        self.seconds = client.deadline
        self._ends = held.loop.time() + client.deadline

    async def failed(self, failure: Failure, cause: BaseException | None = None) -> None:
        """Pause before the next attempt, or raise StageError where none is left."""
        self._attempt += 1
        if not failure.retryable:
            # It answers; that it does not like the question is no sign of ill health.
            self._circuit.succeeded()
            raise StageError(self._client.stage, failure) from cause
        pause = _pause(self._attempt, failure)
        self.seconds = self._ends - self._loop.time() - pause
        last = self._attempt == self._client.attempts or self.seconds <= 0
        if last or not self._circuit.may_retry():
            self._circuit.failed()
            raise StageError(self._client.stage, failure) from cause
        await asyncio.sleep(pause)


def _failure(error: BaseException) -> Failure:
    if (why := refusal(error)) is not None:
        return Failure("certificate", why=why)
    return Failure("timeout" if isinstance(error, TimeoutError) else "unreachable")


def _refusal(reply: Reply) -> Failure:
    asked = reply.retry_after if reply.status in RETRYABLE_STATUSES else ""
    # Dates are left out: the clocks of two machines differ by more than such a pause.
    retry_after = float(asked) if asked.isdigit() else None
    return Failure("status", reply.status, retry_after=retry_after)


def _pause(attempt: int, failure: Failure) -> float:
    backoff = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
    return backoff + (failure.retry_after or 0.0)
