"""`python -m bench.sets.shipping NAME...`: the vectors of sets, a byte a number, for CI.

Embedding a set takes minutes, and CI has seconds to say whether ranking and refusing are as good
as they were. To be run again when chunks are cut otherwise or the embedding model changes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.sets.building import RECIPES, build
from bench.sets.finding import chunks
from bench.sets.ranking import embedder, vectors_of
from bench.sets.vectors import SHIPPED, Vectors, digests
from local.models.ranker import VectorCache, as_statement


def ship(vectors: Vectors, texts: Sequence[str], file: Path) -> None:
    """Write the vectors of the texts, each once."""
    tokens = vectors.embedder.tokens(texts, "END")
    made = zip(tokens, vectors.of(texts), strict=True)
    known = {VectorCache.key(each): vector for each, vector in made}
    rows = np.stack(list(known.values()))
    scales = np.abs(rows).max(axis=1, keepdims=True) / 127
    file.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        file,
        keys=digests(known),
        scales=scales.astype(np.float32),
        bytes=np.round(rows / scales).astype(np.int8),
    )


def main(arguments: Sequence[str]) -> int:
    """Write bench/sets/shipped/NAME.npz."""
    parser = argparse.ArgumentParser(prog="python -m bench.sets.shipping", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(RECIPES), metavar="NAME")
    for name in parser.parse_args(arguments).names:
        built = build(name)
        texts = [each.text for each in chunks(built)]
        texts += [as_statement(str(each["question"])) for each in built.questions]
        file = SHIPPED / f"{name}.npz"
        ship(vectors_of(name, embedder()), texts, file)
        print(f"{file}: {file.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
