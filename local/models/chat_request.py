"""Reads a chat request and says what of OpenAI's interface this model does not do."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.models.fields import Fields
from local.models.refusals import Refusal

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
SAMPLING = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
MOST_STOPS = 16


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """One checked request: what the engine reads, and how the client wants its answer."""

    model: str
    engine_body: Mapping[str, object]
    stream: bool
    include_usage: bool


def read_chat_request(fields: Fields, max_tokens: int) -> ChatRequest:
    """Return the checked request, or refuse it with every problem."""
    body: dict[str, object] = {"messages": _messages(fields)}
    model = fields.text("model")
    for name, (low, high) in SAMPLING.items():
        number = fields.number(name, low, high)
        if number is not None:
            body[name] = number
    seed = fields.integer("seed", -(2**63), 2**63 - 1)
    if seed is not None:
        # llama.cpp's seed has 32 bits, OpenAI's 64.
        body["seed"] = seed % 2**32
    limits = [fields.integer(name, 1, 2**31) for name in ("max_tokens", "max_completion_tokens")]
    limit = limits[0] if limits[1] is None else limits[1]
    if limit is not None:
        body["max_tokens"] = limit
    stop = [] if fields.get("stop") is None else fields.texts("stop")
    if len(stop) > MOST_STOPS:
        fields.wrong("stop", f"at most {MOST_STOPS} texts")
    if stop:
        body["stop"] = stop
    count = fields.integer("n", 1, 2**31)
    stream = fields.flag("stream")
    include_usage = _include_usage(fields)
    fields.finish()

    if limit is not None and limit > max_tokens:
        raise Refusal(
            400, f"max_tokens is {limit}: this model's maximum context length is {max_tokens}"
        )
    if count not in (None, 1):
        raise Refusal(400, f"n is {count}: this model writes one answer per request")
    _refuse_unsupported(fields)
    return ChatRequest(
        model=model, engine_body=body, stream=stream, include_usage=stream and include_usage
    )


def _messages(fields: Fields) -> list[dict[str, str]]:
    value = fields.get("messages")
    if not isinstance(value, list) or not value:
        fields.wrong("messages", "a list of {role, content} is required")
        return []
    return [_message(fields, f"messages[{place}]", item) for place, item in enumerate(value)]


def _message(fields: Fields, name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        fields.wrong(name, "must be an object with role and content")
        return {}
    role = value.get("role")
    if not isinstance(role, str) or role not in ROLES:
        fields.wrong(f"{name}.role", f"must be one of {', '.join(ROLES)}")
        role = "user"
    return {"role": ROLES[role], "content": _content(fields, name, value.get("content"))}


def _content(fields: Fields, name: str, value: object) -> str:
    """Return a message's text, which may come in parts."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else []
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    ]
    if not parts or len(texts) != len(parts):
        fields.wrong(f"{name}.content", "must be a text or a list of {type: text, text}")
    return "".join(texts)


def _include_usage(fields: Fields) -> bool:
    options = fields.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, Mapping):
        fields.wrong("stream_options", "must be an object")
        return False
    inner = Fields(options)
    found = inner.flag("include_usage")
    fields.problems.extend(f"stream_options.{problem}" for problem in inner.problems)
    return found


def _refuse_unsupported(fields: Fields) -> None:
    """Refuse what would be ignored: an answer that only looks right is worse than none."""
    plain = {"type": "text"}
    for name in ("tools", "functions", "logprobs", "response_format"):
        value = fields.get(name)
        if value and not (name == "response_format" and value == plain):
            raise Refusal(400, f"{name} is set: this model does not support it")
