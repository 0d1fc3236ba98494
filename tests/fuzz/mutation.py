"""Inputs that nobody would send: real ones with bytes changed, and ones made by a small grammar."""

import json
import random
from collections.abc import Sequence

ODD_BYTES = (b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"%s%n", b"../", b"A" * 300, b"\xed\xa0\x80")
ODD_NUMBERS = (0, -1, 1, 255, 256, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63, -(2**63), 2**64)
ODD_TEXTS = ("", " ", "\0", "\ud800", "\u202e", "a" * 9000, "{{7*7}}", "<|im_end|>", "\U000e0041",
             "../../etc", "1e400", "nan", "everyone", "meta.readers", "\U0010ffff")  # fmt: skip
DEEPEST = 5


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with one to eight changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 8)):
        _change(chance, data, seeds)
    return bytes(data)


def _change(chance: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    size = len(data)
    at = chance.randrange(size) if size else 0
    end = min(size, at + chance.choice((1, 2, 4, 8, 64, 512)))
    kind = chance.randrange(8)
    if kind == 0 and size:
        data[at] = chance.randrange(256)
    elif kind == 1 and size:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del data[at:end]
    elif kind == 3:
        data[at:at] = data[at:end]
    elif kind == 4:
        data[at:at] = chance.choice(ODD_BYTES)
    elif kind == 5:
        width = chance.choice((1, 2, 4, 8))
        value = chance.choice(ODD_NUMBERS) % 256**width
        data[at : at + width] = value.to_bytes(width, chance.choice(("little", "big")))
    elif kind == 6:
        other = chance.choice(seeds)
        place = chance.randrange(len(other)) if other else 0
        data[at:end] = other[place : place + (end - at)]
    else:
        del data[at:]


def value(chance: random.Random, words: Sequence[str], depth: int = 0) -> object:
    """Return a value of JSON, of known names where it has names."""
    kind = chance.randrange(9 if depth < DEEPEST else 6)
    if kind == 0:
        return chance.choice((None, True, False))
    if kind == 1:
        return chance.choice((*ODD_NUMBERS, 0.5, -1e300))
    if kind in (2, 3):
        return chance.choice(words)
    if kind in (4, 5):
        return chance.choice(ODD_TEXTS)
    if kind == 6:
        return [value(chance, words, depth + 1) for _ in range(chance.randrange(5))]
    return {
        chance.choice(words): value(chance, words, depth + 1) for _ in range(chance.randrange(6))
    }


def grown(chance: random.Random, seeds: Sequence[object], words: Sequence[str]) -> bytes:
    """Return JSON: a seed of which some members are other values, or one made of nothing."""
    seed = chance.choice(seeds)
    if chance.random() < 0.2 or not isinstance(seed, dict):
        made = value(chance, words)
    else:
        made = json.loads(json.dumps(seed))
        for _ in range(chance.randint(1, 3)):
            _replace(chance, made, words)
    # Halves of surrogate pairs are text in Python and none in JSON's bytes.
    return json.dumps(made, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _replace(chance: random.Random, made: object, words: Sequence[str]) -> None:
    while isinstance(made, dict | list) and made:
        places = list(made) if isinstance(made, dict) else list(range(len(made)))
        place = chance.choice(places)
        below = made[place]
        if not isinstance(below, dict | list) or not below or chance.random() < 0.4:
            made[place] = value(chance, words, 2)
            return
        made = below
