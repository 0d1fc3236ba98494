"""`python -m bench.sets.ranking NAME...`: how well the local models rank, without a service.

The chunks, the vectors, the order, the gate and the measures are those of a running stack (see
finding.py). Vectors are kept beside the sets, so that a second run takes seconds. Writes
bench/results/answers.json and exits 1 below the gates.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from bench.results import RESULTS, commit, machine
from bench.sets.building import RECIPES, Set, build, strangers
from bench.sets.finding import Passages, gate, passes
from bench.sets.vectors import Vectors
from local.models.embedder import Embedder
from local.models.weights import weights_directory
from pipelines.components.evidence_gate import EvidenceGate
from stackyard.evaluation.metrics import ranking
from stackyard.evaluation.questions import Half, Question, half_of
from stackyard.evaluation.statistics import Figure, figure
from stackyard.replies import Hit
from tools.paths import cache_dir

# Of the whole sets, a little below what is reached: a change that costs a point is seen.
GATES = {"python-faq": 0.84, "debian-faq": 0.63}
THREADS = 2

Values = dict[str, float]


@cache
def embedder() -> Embedder:
    """Return the local embedding model."""
    return Embedder(weights_directory(), THREADS)


def vectors_of(name: str, model: Embedder) -> Vectors:
    """Return the vectors of a set that earlier runs have kept."""
    folder = cache_dir() / "sets"
    folder.mkdir(parents=True, exist_ok=True)
    return Vectors(model, folder / f"{name}-vectors.npz")


def measure(built: Set, vectors: Vectors, foreign: Sequence[str] = ()) -> dict[str, Figure]:
    """Return each measure on half B, and as `NAME_A` and `NAME_all`; nothing is tuned on B.

    `let_through` is the share of answerable questions that the evidence gate passes on, `refused`
    that of the others, by group, which it stops before a language model is asked. The groups are
    those of the set, and as "every ..." all that can be made of it and of `foreign` questions.
    """
    passages = Passages(built, vectors)
    through = gate()
    asked = [Question.model_validate(each) for each in built.questions]
    values: list[tuple[Half, Values]] = [
        (each.half, _values(each, passages, through)) for each in asked
    ]
    if foreign:
        values += [
            (each.half, _refused("every section removed", each.question, passages, through, source))
            for each in asked
            for source in (each.sources[0].document if each.sources else None,)
            if source
        ]
        values += [
            (half_of(each), _refused("every one about something else", each, passages, through))
            for each in foreign
        ]
    found: dict[str, Figure] = {}
    for name in dict.fromkeys(name for _, each in values for name in each):
        for suffix, halves in (("", "B"), ("_A", "A"), ("_all", "AB")):
            measured = figure(
                [each[name] for half, each in values if half in halves and name in each]
            )
            if measured:
                found[f"{name}{suffix}"] = measured
    return found


def _values(question: Question, passages: Passages, through: EvidenceGate) -> Values:
    # The only filter of these sets takes one document out.
    hidden = question.filters["value"] if question.filters else None
    if not question.answerable:
        return _refused(str(question.group), question.question, passages, through, hidden)
    found = passages.found(question.question)
    hits = [
        Hit(each.meta["document"], 1, each.content or "", each.score or 0.0)
        for each in found.ranked
    ]
    let_through = passes(question.question, found, through)
    return {**ranking(question, hits), "let_through": float(let_through)}


def _refused(
    group: str, question: str, passages: Passages, through: EvidenceGate, hidden: object = None
) -> Values:
    found = passages.found(question, hidden)
    return {f"refused ({group})": float(not passes(question, found, through))}


def main(arguments: Sequence[str]) -> int:
    """Print the figures and hold nDCG@10 of the whole set against its gate."""
    parser = argparse.ArgumentParser(prog="python -m bench.sets.ranking", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(RECIPES), metavar="NAME")
    parser.add_argument(
        "--every", action="store_true", help="refusals of all questions that can be made, too"
    )
    options = parser.parse_args(arguments)
    names = options.names
    measured = {
        name: measure(
            build(name), vectors_of(name, embedder()), strangers(name) if options.every else ()
        )
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
