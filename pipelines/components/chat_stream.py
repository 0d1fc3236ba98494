"""A chat completion's events to pieces of text, gathered for at most 20 ms each."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

# The first piece goes out at once. Then a pause after each lets tokens gather: one event of five
# tokens costs a fifth of five events of one.
GATHER_SECONDS = 0.02


class ChatStream:
    """Reads server-sent events. Raises LookupError, TypeError, ValueError or AttributeError."""

    def __init__(self) -> None:
        self.text = ""
        self.usage: dict[str, Any] = {}
        self.model: str | None = None
        self.finish_reason: str | None = None
        self._rest = b""

    async def texts(self, reads: AsyncIterator[bytes]) -> AsyncIterator[str]:
        """Yield the text that each read completes."""
        async for data in reads:
            text = self._taken_in(data)
            if text:
                self.text += text
                yield text
            if self.finish_reason is None:
                await asyncio.sleep(GATHER_SECONDS)

    def meta(self) -> dict[str, Any]:
        """Return what Haystack's generators say of a reply."""
        return {
            "model": self.model,
            "index": 0,
            "finish_reason": self.finish_reason,
            "usage": self.usage,
        }

    def _taken_in(self, data: bytes) -> str:
        # Each event is one line here: its JSON holds no line end.
        *lines, self._rest = (self._rest + data).split(b"\n")
        parts = []
        for line in lines:
            if line.startswith(b"data:") and not line.startswith((b"data: [DONE]", b"data:[DONE]")):
                part = self._event(orjson.loads(line[5:]))
                if part:
                    parts.append(part)
        return "".join(parts)

    def _event(self, event: dict[str, Any]) -> str | None:
        self.usage = event.get("usage") or self.usage
        self.model = event.get("model") or self.model
        choices = event["choices"]
        if not choices:
            return None
        self.finish_reason = choices[0].get("finish_reason") or self.finish_reason
        content: str | None = choices[0]["delta"].get("content")
        return content
