"""One parser of what comes from outside, and how its inputs are made."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.mutation import grown, mutated


@dataclass(frozen=True)
class Parser:
    """`run` takes an input in; raising one of `refusals` is a refusal, anything else a finding."""

    name: str
    made: Callable[[random.Random], bytes]
    run: Callable[[bytes], object]
    refusals: tuple[type[BaseException], ...]


def from_bytes(seeds: Sequence[bytes]) -> Callable[[random.Random], bytes]:
    """Return what makes inputs of real ones."""
    return lambda chance: mutated(chance, seeds)


def from_json(words: Sequence[str], *seeds: object) -> Callable[[random.Random], bytes]:
    """Return what makes JSON, and what was JSON, of real documents and names."""
    raw = [json.dumps(seed).encode() for seed in seeds]

    def made(chance: random.Random) -> bytes:
        return mutated(chance, raw) if chance.random() < 0.3 else grown(chance, seeds, words)

    return made
