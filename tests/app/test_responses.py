"""The events of a response whose model goes away in the middle."""

import asyncio
import json
from typing import cast

from app.answering import Answering, Asked
from app.problems import Problem
from app.routes.responses import ResponseEvents, ResponseShape, ResponsesRequest
from app.telling import told
from pipelines.answer import Answer
from pipelines.asking import Sink


class _Breaks:
    async def tell(self, _asked: Asked, sink: Sink) -> tuple[list[str], Answer]:
        await sink("Text ")
        await sink("and more.")
        raise Problem(503, "backend-unavailable", "A back end is not available", stage="generation")


def test_a_stream_that_breaks_ends_in_a_failed_response() -> None:
    async def events() -> list[bytes]:
        shape = ResponseEvents(ResponseShape(ResponsesRequest(input="What?")))
        written: list[bytes] = []

        async def write(part: bytes) -> None:
            written.append(part)

        asked = Asked.of("What?", ["documents"], None, None)
        last = await told(cast("Answering", _Breaks()), asked, shape)(write)
        return [*written, last]

    *_, said, last = asyncio.run(events())

    kind, data, _ = last.decode().split("\n", 2)
    failed = json.loads(data.removeprefix("data: "))
    assert b"and more." in said
    assert kind == "event: response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["problem"]["stage"] == "generation"
