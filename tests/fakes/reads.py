"""The bytes of a streamed reply that are there already."""

from typing import Self


class FakeReads:
    """Gives one after the other."""

    def __init__(self, *reads: bytes) -> None:
        self.apart = 0.0
        self._reads = iter(reads)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for read in self._reads:
            return read
        raise StopAsyncIteration

    def leave(self) -> None:
        """Have nothing to hang up."""
