"""Lets a few requests through to a model, lets a bounded number wait, and counts them all."""

import asyncio
from collections import deque

from local.models.refusals import Refusal


class Gate:
    """First come, first served: `running` at once, `waiting` behind them, and 503 for the rest."""

    def __init__(self, running: int, waiting: int) -> None:
        self.most_running = running
        self.most_waiting = waiting
        self.running = 0
        self.queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Return how many requests are waiting now."""
        return len(self.queue)

    async def enter(self) -> None:
        """Wait for a turn; whoever entered must `leave`."""
        if self.running < self.most_running:
            self.running += 1
            return
        if self.waiting >= self.most_waiting:
            raise Refusal(503, f"The queue is full: {self.waiting} requests are waiting")
        turn = asyncio.get_running_loop().create_future()
        self.queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self.queue:
                self.queue.remove(turn)
            elif not turn.cancelled():
                # The turn came in the very step in which the client hung up: pass it on.
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to the request that waits longest, if any."""
        while self.queue:
            turn = self.queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1
