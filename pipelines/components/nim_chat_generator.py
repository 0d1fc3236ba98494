"""The language model over /v1/chat/completions: whole, or as pieces of text as they come."""

import asyncio
from typing import Any

import orjson
from haystack import component, default_to_dict
from haystack.dataclasses import ChatMessage, StreamingCallbackT
from haystack.dataclasses.streaming_chunk import _invoke_streaming_callback
from haystack.utils import Secret

from pipelines.components.chat_stream import ChatStream
from pipelines.found import said
from pipelines.transport.client import Client
from pipelines.transport.nim import bearer, endpoint


@component
class NimChatGenerator:
    """Writes one reply; cancelling its task hangs up on the model."""

    def __init__(
        self,
        model: str,
        api_url: str,
        api_key: Secret | None,
        timeout: float,
        attempts: int,
        max_tokens: int,
        temperature: float,
    ) -> None:
        self.model = model
        self.api_url = api_url
        self.api_key = api_key
        self.timeout = timeout
        self.attempts = attempts
        self.max_tokens = max_tokens
        self.temperature = temperature
        self._client: Client | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self.model,
            api_url=self.api_url,
            api_key=self.api_key.to_dict() if self.api_key else None,
            timeout=self.timeout,
            attempts=self.attempts,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )

    def warm_up(self) -> None:
        """Read the key."""
        if self._client is None:
            self._client = Client(
                "generation",
                endpoint(self.api_url, self.model, "chat/completions"),
                bearer(self.api_key),
                deadline=self.timeout,
                attempts=self.attempts,
            )

    async def close_async(self) -> None:
        """Give the session back."""
        if self._client is not None:
            await self._client.close()

    @component.output_types(replies=list[ChatMessage])
    def run(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None
    ) -> dict[str, list[ChatMessage]]:
        """Return the model's reply; outside of an event loop."""

        async def once() -> dict[str, list[ChatMessage]]:
            try:
                return await self.run_async(messages, streaming_callback)
            finally:
                await self.close_async()

        return asyncio.run(once())

    @component.output_types(replies=list[ChatMessage])
    async def run_async(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None
    ) -> dict[str, list[ChatMessage]]:
        """Return the model's reply; the callback gets its text as it comes. Raises StageError."""
        self.warm_up()
        assert self._client is not None
        callback = streaming_callback
        body = self._body(messages, stream=callback is not None)
        try:
            reply = await (
                _streamed(self._client, body, callback) if callback else _whole(self._client, body)
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise self._client.odd_answer() from error
        return {"replies": [reply]}

    def _body(self, messages: list[ChatMessage], *, stream: bool) -> bytes:
        # The stock client sends the same members.
        body: dict[str, object] = {
            "model": self.model,
            "messages": [message.to_openai_dict_format() for message in messages],
            "stream": stream,
            "n": 1,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
        }
        if stream:
            body["stream_options"] = {"include_usage": True}
        return orjson.dumps(body)


async def _whole(client: Client, body: bytes) -> ChatMessage:
    reply = orjson.loads(await client.post(body))
    choice = reply["choices"][0]
    meta = {
        "model": reply.get("model"),
        "index": 0,
        "finish_reason": choice.get("finish_reason"),
        "usage": reply.get("usage") or {},
    }
    return ChatMessage.from_assistant(choice["message"]["content"] or "", meta=meta)


async def _streamed(client: Client, body: bytes, callback: StreamingCallbackT) -> ChatMessage:
    async with client.stream(body) as reads:
        stream = ChatStream(reads)
        async for text in stream:
            await _invoke_streaming_callback(callback, said(text))
    return ChatMessage.from_assistant(stream.text, meta=stream.meta())
