"""`python -m bench.sets.ranking NAME...`: how well the local models rank, without a service.

The chunks, the vectors, the order, the gate and the measures are those of a running stack; the
store and HTTP between them are left out, since an exact search finds the same passages. Vectors
are kept beside the sets, so that a second run takes seconds. Writes bench/results/answers.json
and exits 1 below the gates.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from haystack import Document
from numpy.typing import NDArray

from bench.results import RESULTS, commit, machine
from bench.sets.building import RECIPES, Set, build
from local.models.embedder import Embedder
from local.models.engines import Tokens
from local.models.ranker import VectorCache, as_statement, logits
from local.models.retriever import batches
from local.models.weights import weights_directory
from pipelines.chunks import chunk_spans
from pipelines.components.evidence_gate import coverage
from pipelines.settings import Endpoint, IndexingSettings, QuerySettings
from stackyard.evaluation.metrics import ranking
from stackyard.evaluation.questions import Question
from stackyard.evaluation.statistics import Figure, figure
from stackyard.replies import Hit
from tools.paths import cache_dir

# Of the whole sets, a little below what is reached: a change that costs a point is seen.
GATES = {"python-faq": 0.84, "debian-faq": 0.63}
THREADS = 2
SAVED_EVERY = 100

# Nothing is sent there: only the defaults are read.
_NOWHERE = Endpoint(url="http://127.0.0.1/v1", model="none")
CUTTING = IndexingSettings(embedding=_NOWHERE)
ASKING = QuerySettings(embedding=_NOWHERE, ranking=_NOWHERE, llm=_NOWHERE)

Matrix = NDArray[np.float32]


class Vectors:
    """Embeds texts once, and keeps the vectors in a file."""

    def __init__(self, embedder: Embedder, file: Path) -> None:
        self._embedder = embedder
        self._file = file
        self._known: dict[bytes, Matrix] = {}
        if file.is_file():
            with np.load(file) as kept:
                self._known = dict(zip(map(bytes, kept["keys"]), kept["vectors"], strict=True))

    def of(self, texts: Sequence[str]) -> Matrix:
        tokens = self._embedder.tokens(texts, "END")
        keys = [VectorCache.key(each) for each in tokens]
        new = {key: each for key, each in zip(keys, tokens, strict=True) if key not in self._known}
        for number, (some, vectors) in enumerate(self._embedded(new), start=1):
            self._known.update(zip(some, vectors, strict=True))
            if number % SAVED_EVERY == 0:
                self._save()
        if new:
            self._save()
        return np.stack([self._known[key] for key in keys])

    def _embedded(self, new: dict[bytes, Tokens]) -> Iterator[tuple[list[bytes], Matrix]]:
        keys = list(new)
        for places in batches(list(new.values())):
            some = [keys[place] for place in places]
            yield some, self._embedder.embed([new[key] for key in some])

    def _save(self) -> None:
        keys = np.frombuffer(b"".join(self._known), np.uint8).reshape(len(self._known), -1)
        beside = self._file.with_suffix(".new.npz")
        np.savez(beside, keys=keys, vectors=np.stack(list(self._known.values())))
        beside.replace(self._file)


def chunks(built: Set) -> list[tuple[str, str]]:
    """Return the document and the text of each chunk, cut as the pipelines cut by default."""
    return [
        (name, text[start:end])
        for name, text in built.documents.items()
        for start, end in chunk_spans(
            text, words=CUTTING.chunk_words, overlap=CUTTING.overlap_words
        )
    ]


def measure(built: Set, vectors: Vectors) -> dict[str, Figure]:
    """Return each measure on half B, and as `NAME_A` and `NAME_all`; nothing is tuned on B.

    `let_through` is the share of answerable questions that the evidence gate passes on, `refused`
    that of the others, by group, which it stops before a language model is asked.
    """
    pieces = chunks(built)
    passages = vectors.of([text for _, text in pieces])
    asked = [Question.model_validate(each) for each in built.questions]
    values = [(each.half, _values(each, pieces, passages, vectors)) for each in asked]
    found: dict[str, Figure] = {}
    for name in dict.fromkeys(name for _, each in values for name in each):
        for suffix, halves in (("", "B"), ("_A", "A"), ("_all", "AB")):
            measured = figure(
                [each[name] for half, each in values if half in halves and name in each]
            )
            if measured:
                found[f"{name}{suffix}"] = measured
    return found


def _values(
    question: Question, pieces: Sequence[tuple[str, str]], passages: Matrix, vectors: Vectors
) -> dict[str, float]:
    (asked,) = vectors.of([as_statement(question.question)])
    near = passages @ asked
    # The only filter of these sets takes one document out.
    hidden = question.filters["value"] if question.filters else None
    near[[name == hidden for name, _ in pieces]] = -1.0
    nearest = np.argsort(-near, kind="stable")[: ASKING.retrieve_top_k]
    texts = [pieces[place][1] for place in nearest]
    scores = logits(question.question, texts, asked, passages[nearest])
    order = np.argsort(-scores, kind="stable")
    best = [Document(content=texts[place]) for place in order[: ASKING.answer_top_k]]
    passed = (
        near[nearest[0]] >= ASKING.min_similarity
        and coverage(question.question, best) >= ASKING.min_coverage
    )
    if not question.answerable:
        return {f"refused ({question.group})": float(not passed)}
    hits = [
        Hit(pieces[nearest[place]][0], 1, texts[place], float(scores[place])) for place in order
    ]
    return {**ranking(question, hits), "let_through": float(passed)}


def main(arguments: Sequence[str]) -> int:
    """Print the figures and hold nDCG@10 of the whole set against its gate."""
    parser = argparse.ArgumentParser(prog="python -m bench.sets.ranking", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(RECIPES), metavar="NAME")
    folder = cache_dir() / "sets"
    folder.mkdir(parents=True, exist_ok=True)
    embedder = Embedder(weights_directory(), THREADS)
    names = parser.parse_args(arguments).names
    measured = {
        name: measure(build(name), Vectors(embedder, folder / f"{name}-vectors.npz"))
        for name in names
    }
    keep(measured, f"python -m bench.sets.ranking {' '.join(names)}")
    missed = False
    for name, figures in measured.items():
        for label, each in figures.items():
            interval = f"{each.low:.3f} to {each.high:.3f}"
            print(f"{name} {label} {each.value:.3f} ({interval}), n={each.n}")
        reached, gate = figures["ndcg@10_all"].value, GATES.get(name, 0.0)
        if not reached >= gate:
            print(f"{name}: ndcg@10 of the whole set is {reached}, under {gate}", file=sys.stderr)
            missed = True
    return int(missed)


def keep(measured: dict[str, dict[str, Figure]], command: str) -> None:
    """Write the values, and beside them the intervals and what they were measured on."""
    record: dict[str, object] = {
        name: {
            **{label: each.value for label, each in figures.items()},
            "intervals": {label: [each.low, each.high] for label, each in figures.items()},
            "questions": {label: each.n for label, each in figures.items()},
        }
        for name, figures in measured.items()
    }
    record |= {
        "how": "ranking and gate in one process, with the local models; no language model asked",
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "commit": commit(),
        "machine": machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "answers.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
