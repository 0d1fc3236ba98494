"""The events of a response whose model goes away in the middle."""

import asyncio
import json
from collections.abc import AsyncGenerator

from app.problems import Problem
from app.routes.responses import ResponseShape, ResponsesRequest, _events
from pipelines.answer import Answer


async def _breaks() -> AsyncGenerator[str | Answer, None]:
    yield "and more."
    raise Problem(503, "backend-unavailable", "A back end is not available", stage="generation")


def test_a_stream_that_breaks_ends_in_a_failed_response() -> None:
    async def events() -> list[bytes]:
        shape = ResponseShape(ResponsesRequest(input="What?"))
        return [part async for part in _events(shape, "Text ", _breaks())]

    *_, said, last = asyncio.run(events())

    kind, data, _ = last.decode().split("\n", 2)
    failed = json.loads(data.removeprefix("data: "))
    assert b"and more." in said
    assert kind == "event: response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["problem"]["stage"] == "generation"
