"""A chat completion's events to pieces of text, gathered for at most 20 ms each."""

from typing import Any, Self

import orjson

from pipelines.transport.wire import Reads

# The first piece goes out at once. Then a pause after each lets tokens gather: one event of five
# tokens costs a fifth of five events of one.
GATHER_SECONDS = 0.02


class ChatStream:
    """Reads server-sent events; iterate over the text that each read completes.

    Raises LookupError, TypeError, ValueError or AttributeError for what is no completion.
    """

    def __init__(self, reads: Reads) -> None:
        self.text = ""
        self.usage: dict[str, Any] = {}
        self.model: str | None = None
        self.finish_reason: str | None = None
        reads.apart = GATHER_SECONDS
        self._reads = reads
        self._rest = b""
        # What stood in an event before and behind its content.
        self._before = self._behind = b""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            text = self._taken_in(await anext(self._reads))
            if text:
                self.text += text
                return text

    def meta(self) -> dict[str, Any]:
        """Return what Haystack's generators say of a reply."""
        return {
            "model": self.model,
            "index": 0,
            "finish_reason": self.finish_reason,
            "usage": self.usage,
        }

    def _taken_in(self, data: bytes) -> str:
        data = self._rest + data
        text = self._of_alike(data)
        if text is not None:
            self._rest = b""
            return text
        # Each event is one line here: its JSON holds no line end.
        *lines, self._rest = data.split(b"\n")
        return "".join([self._of_line(line) for line in lines if line.startswith(b"data:")])

    def _of_line(self, line: bytes) -> str:
        if line[5:].strip() == b"[DONE]":
            return ""
        event = orjson.loads(line[5:])
        self.usage = event.get("usage") or self.usage
        self.model = event.get("model") or self.model
        choices = event["choices"]
        if not choices:
            return ""
        self.finish_reason = choices[0].get("finish_reason") or self.finish_reason
        if self.finish_reason is not None:
            self._reads.apart = 0.0
        content: str = choices[0]["delta"].get("content") or ""
        if content and not self._before:
            self._remember(line, orjson.dumps(content))
        return content

    def _remember(self, line: bytes, content: bytes) -> None:
        before, key, behind = line.partition(b'"content":')
        if behind.startswith(content) and b'"content"' not in behind:
            self._before, self._behind = before + key, behind[len(content) :] + b"\n\n"

    def _of_alike(self, data: bytes) -> str | None:
        """Return the text of events that differ from the one remembered in their content alone.

        Each has one JSON string in the place of that one's, so all else in it is known. One call
        of the parser reads them all, in a tenth of the time. None where it is not so.
        """
        before, behind = self._before, self._behind
        if not (before and data.startswith(before) and data.endswith(behind)):
            return None
        parts = data[len(before) : -len(behind)].split(behind + before)
        try:
            said = orjson.loads(b"[%b]" % b",".join(parts))
            return "".join(said) if len(said) == len(parts) else None
        except (ValueError, TypeError):  # something else than a string
            return None
