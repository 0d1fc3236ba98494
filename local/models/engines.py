"""What the routes need of the engines, and loading the ones that this process serves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from local.models.settings import Settings

Truncate = Literal["NONE", "START", "END"]
Tokens = list[int]
Vectors = NDArray[np.float32]
Chunk = Mapping[str, object]

# Two cores write no faster for more than two answers at once; the others wait in our queue,
# where they are counted.
SLOTS = 2


class TextEmbedder(Protocol):
    """Turns texts into unit vectors."""

    max_tokens: int

    def tokens(self, texts: Sequence[str], truncate: Truncate) -> list[Tokens]:
        """Return the tokens of each text."""
        ...

    def embed(self, tokens: Sequence[Tokens]) -> Vectors:
        """Return one vector per list of tokens."""
        ...


class ChatGenerator(Protocol):
    """Writes an answer piece by piece."""

    max_tokens: int

    def generate(self, body: Mapping[str, object], on_chunk: Callable[[Chunk], bool]) -> None:
        """Write into `on_chunk` until done or until it returns true."""
        ...


@dataclass(frozen=True, kw_only=True)
class Engines:
    """The loaded engines; None where no served role needs one."""

    embedder: TextEmbedder | None = None
    generator: ChatGenerator | None = None


def load_engines(settings: Settings, weights: Path) -> Engines:
    """Load what the served roles need; each engine's library is imported only for its role."""
    embedder: TextEmbedder | None = None
    generator: ChatGenerator | None = None
    if {"embedding", "ranking"} & set(settings.roles):
        from local.models.embedder import Embedder

        embedder = Embedder(weights, settings.threads)
    if "llm" in settings.roles:
        from local.models.generator import Generator

        generator = Generator(weights, settings.threads)
    return Engines(embedder=embedder, generator=generator)
