"""The language model behind /v1/chat/completions, with or without a key."""

from typing import Any

from haystack import component, default_to_dict
from haystack.dataclasses import ChatMessage, StreamingCallbackT
from haystack.utils import Secret
from haystack_integrations.components.generators.nvidia import NvidiaChatGenerator

# The OpenAI client refuses to start without a key; a model inside the cluster asks for none.
NO_KEY = "none"


@component
class AnswerGenerator:
    """Drives the stock generator: streaming with usage, and one short retry instead of five."""

    def __init__(
        self,
        model: str,
        api_url: str,
        api_key: Secret | None,
        timeout: float,
        max_tokens: int,
        temperature: float,
    ) -> None:
        self.model = model
        self.api_url = api_url
        self.api_key = api_key
        self.timeout = timeout
        self.max_tokens = max_tokens
        self.temperature = temperature
        self._generator = NvidiaChatGenerator(
            model=model,
            api_base_url=api_url,
            api_key=api_key or Secret.from_token(NO_KEY),
            timeout=timeout,
            max_retries=1,
            generation_kwargs={"max_tokens": max_tokens, "temperature": temperature},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(
            self,
            model=self.model,
            api_url=self.api_url,
            api_key=self.api_key.to_dict() if self.api_key else None,
            timeout=self.timeout,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )

    def close(self) -> None:
        """Close the blocking client."""
        self._generator.close()

    async def close_async(self) -> None:
        """Close the client of the event loop."""
        await self._generator.close_async()

    @component.output_types(replies=list[ChatMessage])
    def run(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None
    ) -> dict[str, list[ChatMessage]]:
        """Return the model's reply."""
        done = self._generator.run(
            messages=messages,
            streaming_callback=streaming_callback,
            generation_kwargs=_with_usage(streaming_callback),
        )
        return {"replies": done["replies"]}

    @component.output_types(replies=list[ChatMessage])
    async def run_async(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None
    ) -> dict[str, list[ChatMessage]]:
        """Return the model's reply; cancelling the task hangs up on the model."""
        done = await self._generator.run_async(
            messages=messages,
            streaming_callback=streaming_callback,
            generation_kwargs=_with_usage(streaming_callback),
        )
        return {"replies": done["replies"]}


def _with_usage(callback: StreamingCallbackT | None) -> dict[str, Any]:
    # A stream reports its usage only when asked to, and a single answer refuses to be asked.
    return {"stream_options": {"include_usage": True}} if callback else {}
