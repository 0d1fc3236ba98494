"""POST /v1/chat/completions."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Executor

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from local.models.chat_metrics import ChatMetrics
from local.models.chat_request import ChatRequest, read_chat_request
from local.models.engines import Chunk
from local.models.fields import Fields
from local.models.gate import Gate
from local.models.pieces import Piece, read_chunk
from local.models.refusals import Refusal, json_response
from local.models.route import Loaded, ModelRoute, unless_hung_up
from local.models.settings import Settings

Pieces = AsyncGenerator[Piece]


class EventStream(StreamingResponse):
    """Server-sent events; closes their source however the connection ends."""

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"cache-control": "no-cache"}
        )
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client hangs up."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.events.aclose()


class ChatRoute(ModelRoute):
    """Writes one answer, whole or as events; a client that hangs up stops the writing."""

    role = "llm"
    path = "/v1/chat/completions"

    def __init__(
        self,
        settings: Settings,
        loaded: Loaded,
        gate: Gate,
        threads: Executor,
        metrics: ChatMetrics,
    ) -> None:
        super().__init__(settings, loaded, gate)
        self.threads = threads
        self.metrics = metrics
        metrics.watch(self.model, gate)

    async def run(self, request: Request, fields: Fields) -> Response:
        """Answer whole or as a stream."""
        asked = read_chat_request(fields, self.max_tokens)
        self.check_model(asked.model)
        pieces = self._pieces(asked)
        try:
            # The first piece comes before the status line, so that a prompt that is too long is
            # a 400 and not a broken stream.
            first = await unless_hung_up(request, anext(pieces))
        except BaseException:
            await pieces.aclose()
            raise
        identity = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": self.model,
        }
        if asked.stream:
            return EventStream(_events(identity, first, pieces, asked.include_usage))
        try:
            return await unless_hung_up(request, _whole(identity, first, pieces))
        finally:
            await pieces.aclose()

    def shape(self, refusal: Refusal) -> Mapping[str, object]:
        """Return the language models' error body."""
        return refusal.for_chat()

    def count_failure(self, refusal: Refusal) -> None:
        """Count it by status."""
        self.metrics.failures.add(model_name=self.model, code=str(refusal.status))

    async def _pieces(self, asked: ChatRequest) -> Pieces:
        """Yield the answer piece by piece; closing this early stops the engine."""
        generator = self.loaded.get().generator
        if generator is None:
            message = "no language model was loaded"
            raise RuntimeError(message)
        clock = self.metrics.start(self.model)
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Chunk | BaseException | None] = asyncio.Queue()
        stopped = threading.Event()

        def on_chunk(chunk: Chunk) -> bool:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            return stopped.is_set()

        def work() -> None:
            # The turn ends with the engine's work and not with the request: an engine that has
            # not noticed the hang-up yet still has its slot.
            outcome: BaseException | None = None
            try:
                generator.generate(asked.engine_body, on_chunk)
            except Exception as error:
                outcome = error
            loop.call_soon_threadsafe(self.gate.leave)
            loop.call_soon_threadsafe(chunks.put_nowait, outcome)

        await self.gate.enter()
        try:
            await self.faults.delay()
        except BaseException:
            self.gate.leave()
            raise
        self.threads.submit(work)
        try:
            while (chunk := await chunks.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                for piece in read_chunk(chunk):
                    clock.saw(piece)
                    yield piece
            clock.done()
        finally:
            stopped.set()


async def _whole(identity: Mapping[str, object], first: Piece, pieces: Pieces) -> Response:
    text, finish, usage = first.text, first.finish_reason, first.usage
    async for piece in pieces:
        text += piece.text
        finish = piece.finish_reason or finish
        usage = piece.usage or usage
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return json_response(
        {**identity, "object": "chat.completion", "choices": [choice], "usage": usage}
    )


async def _events(
    identity: Mapping[str, object], first: Piece, pieces: Pieces, include_usage: bool
) -> AsyncGenerator[bytes]:
    head = {**identity, "object": "chat.completion.chunk"}

    def event(delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "choices": [choice]})

    try:
        yield event({"role": "assistant", "content": ""})
        usage = None
        piece: Piece | None = first
        while piece is not None:
            if piece.text:
                yield event({"content": piece.text})
            if piece.finish_reason:
                yield event({}, piece.finish_reason)
            usage = piece.usage or usage
            piece = await anext(pieces, None)
        if include_usage:
            yield _event({**head, "choices": [], "usage": usage})
    except Refusal as refusal:
        # The status line is out already: the stream itself has to say that it broke.
        yield _event(refusal.for_chat())
    finally:
        await pieces.aclose()
    yield b"data: [DONE]\n\n"


def _event(body: Mapping[str, object]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
