"""Asks the questions of a set in one process, without HTTP and without a store.

Passages, gate, prompt and what becomes of the model's words are those of a running stack. The
model writes without chance, and its replies are kept beside the sets: a change of what becomes of
them is seen in seconds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from haystack.dataclasses import ChatMessage

from bench.sets.finding import ASKING, Passages, gate
from local.models.generator import Generator
from local.models.pieces import read_chunk
from local.models.weights import weights_directory
from pipelines.answer import Answer
from pipelines.components.prompt_builder import CompiledPromptBuilder
from pipelines.draft import Draft
from pipelines.fencing import defused

# Two threads wait for one another; one gets through beside other work.
THREADS = 1


class Replies:
    """What the local language model replied to each prompt, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, list[str]] = {}
        if file.is_file():
            self._known = json.loads(file.read_text())

    def to(self, messages: Sequence[ChatMessage]) -> ChatMessage:
        """Return the reply, as the component that asks the model does."""
        said = [{"role": each.role.value, "content": each.text} for each in messages]
        key = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        if key not in self._known:
            self._known[key] = self._asked(said)
            self._file.write_text(json.dumps(self._known, indent=1))
        text, finish = self._known[key]
        return ChatMessage.from_assistant(text, meta={"finish_reason": finish})

    def _asked(self, messages: list[dict[str, str | None]]) -> list[str]:
        chunks: list[Mapping[str, object]] = []

        def on_chunk(chunk: Mapping[str, object]) -> bool:
            chunks.append(chunk)
            return False

        limits = {"max_tokens": ASKING.max_tokens, "temperature": ASKING.temperature}
        self._generator.generate({"messages": messages, **limits}, on_chunk)
        pieces = [piece for chunk in chunks for piece in read_chunk(chunk)]
        finish = next(each.finish_reason for each in reversed(pieces) if each.finish_reason)
        return ["".join(each.text for each in pieces), finish]

    @cached_property
    def _generator(self) -> Generator:
        return Generator(weights_directory(), THREADS)


class Asked:
    """A set that answers."""

    def __init__(self, name: str, passages: Passages, replies: Replies) -> None:
        self._name = name
        self._passages = passages
        self._replies = replies
        self._gate = gate()
        self._prompt = CompiledPromptBuilder(list(ASKING.template))

    def answer(self, question: str) -> Answer:
        """Return what a running stack answers."""
        found = self._passages.found(question)
        passed = self._gate.run(question, found.retrieved, found.best)
        draft = Draft(question, ASKING, self._name)
        draft.saw("gate", passed)
        if "passages" in passed:
            prompt = self._prompt.run(passages=passed["passages"], question=defused(question))
            draft.saw("llm", {"replies": [self._replies.to(prompt["prompt"])]})
            draft.heard_whole()
        draft.last_texts()
        return draft.answer()
