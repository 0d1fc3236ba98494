"""Makes a server late or failing on purpose, so that it can stand in for a NIM in trouble."""

import asyncio
from http import HTTPStatus

from local.models.refusals import Refusal
from local.models.settings import Settings


class Faults:
    """Fails an exact share of the requests in turn, not a random one: tests count on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.due = 0.0

    def fail(self) -> None:
        """Refuse this request if its turn to fail has come."""
        self.due += self.settings.fail_rate
        # 0.1 added ten times is a little less than 1.
        if self.due > 1 - 1e-9:
            self.due -= 1
            status = self.settings.fail_status
            known = {item.value: item.phrase for item in HTTPStatus}
            phrase = known.get(status, "Failure")
            raise Refusal(status, f"{phrase}: a failure asked for by LOCAL_MODELS_FAIL_RATE")

    async def delay(self) -> None:
        """Take the extra time that was asked for."""
        await asyncio.sleep(self.settings.latency_ms / 1000)
