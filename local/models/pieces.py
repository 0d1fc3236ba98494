"""Reads llama.cpp's chunks: text, why it ended, and how many tokens it took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.models.engines import Chunk
from local.models.refusals import Refusal


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of an answer; most hold text alone."""

    text: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, int] | None = None


def read_chunk(chunk: Chunk) -> Iterator[Piece]:
    """Yield what a chunk adds to the answer, or refuse where it is an error."""
    error = chunk.get("error")
    if isinstance(error, Mapping):
        raise _refusal(error)
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        text = choice["delta"].get("content") or ""
        finish = choice.get("finish_reason")
        if text or finish:
            yield Piece(text=text, finish_reason=finish)
    usage = chunk.get("usage")
    if isinstance(usage, Mapping):
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        yield Piece(usage={name: usage[name] for name in counts})


def _refusal(error: Mapping[str, object]) -> Refusal:
    if error.get("type") == "exceed_context_size_error":
        return Refusal(
            400,
            f"This model's maximum context length is {error.get('n_ctx')} tokens. However, "
            f"your request has {error.get('n_prompt_tokens')} input tokens. "
            "Reduce the length of the messages",
        )
    status = error.get("code")
    return Refusal(status if isinstance(status, int) else 500, str(error.get("message")))
