"""Whether every server did the same work, by what the stub services received for one question."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.engine import content

RETRIEVED = 20


@dataclass(frozen=True)
class Work:
    """What one question made a server send."""

    embedded: int  # texts
    searches: int
    limit: int  # points asked for
    vector: bool  # the one that the embedder gave
    ranked: int  # passages
    chats: int
    prompt_passages: int  # passages that the prompt holds, whole or in part
    prompt_characters: int

    @property
    def chain(self) -> tuple[int, int, int, bool, int, int]:
        """Return what must be the same everywhere; prompts are each product's own."""
        return (
            self.embedded,
            self.searches,
            self.limit,
            self.vector,
            self.ranked,
            self.chats,
        )


EXPECTED = (1, 1, RETRIEVED, True, RETRIEVED, 1)


def work_of(recorded: Iterable[dict[str, Any]]) -> Work:
    """Return what the requests of one question amount to."""
    bodies: dict[str, list[dict[str, Any]]] = {}
    for request in recorded:
        verb = request["path"].rpartition("/")[2]
        if isinstance(request["body"], dict):
            bodies.setdefault(verb, []).append(request["body"])
    searches = bodies.get("query", []) + bodies.get("search", [])
    prompt = "\n".join(_texts(body["messages"]) for body in bodies.get("completions", []))
    inputs = [_listed(body["input"]) for body in bodies.get("embeddings", [])]
    return Work(
        embedded=sum(map(len, inputs)),
        searches=len(searches),
        limit=max((int(body.get("limit", 0)) for body in searches), default=0),
        vector=bool(searches) and all(_vectors(body) == [True] for body in searches),
        ranked=sum(len(body["passages"]) for body in bodies.get("ranking", [])),
        chats=len(bodies.get("completions", [])),
        prompt_passages=_held(prompt),
        prompt_characters=len(prompt),
    )


def _held(prompt: str) -> int:
    """Count the passages of which a whole sentence stands in the prompt; no two share one."""
    said = " ".join(prompt.split())
    found = 0
    for passage in content.passages():
        *sentences, _cut = passage.text.split(". ")
        found += any(sentence in said for sentence in sentences)
    return found


def _vectors(search: object) -> list[bool]:
    """Find the vectors in a search, prefetches included, and say of each whether it is ours."""
    if isinstance(search, dict):
        return [each for value in search.values() for each in _vectors(value)]
    if isinstance(search, list) and len(search) > 100:
        ours = content.vector()
        near = all(abs(a - b) < 1e-6 for a, b in zip(search, ours, strict=False))
        return [len(search) == len(ours) and near]
    if isinstance(search, list):
        return [each for value in search for each in _vectors(value)]
    return []


def _texts(messages: list[dict[str, Any]]) -> str:
    return "\n".join(
        message["content"]
        if isinstance(message["content"], str)
        else "".join(str(part.get("text", "")) for part in message["content"])
        for message in messages
    )


def _listed(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]
